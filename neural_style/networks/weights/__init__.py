"""VGG19's weights: sources, registry, file formats, download."""
