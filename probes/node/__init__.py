"""Reading a node: which interfaces lead to pods, which one leads away. Nothing is changed."""
