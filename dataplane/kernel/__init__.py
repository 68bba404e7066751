"""The engine room: the doors to the kernel. Effects without opinion."""
