"""Code that draws the example pictures: one module per picture, and the helpers they share."""
