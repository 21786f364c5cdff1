"""VGG19 in Keras, its parts, and where its weights come from."""
