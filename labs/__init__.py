"""The hands: build a topology, drive stimuli in it, break it on purpose. Knows nothing of right and wrong."""
