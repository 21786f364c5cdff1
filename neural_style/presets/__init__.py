"""Packaged flag files, one for each preset; `config.presets` reads them."""
