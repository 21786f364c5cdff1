"""VGG19 in Keras, its parts for tiles, and its weights."""
