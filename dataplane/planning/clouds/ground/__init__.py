"""What cloud models stand on: how a request is answered, and where ranges are taken from."""
