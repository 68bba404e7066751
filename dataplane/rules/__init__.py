"""The library: one standard per file, executable text."""
