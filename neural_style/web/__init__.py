"""The page: the program in a browser, made with Gradio.

`options` says how it is served, `gate` who may ask for what, `visitors` what belongs to whom, `jobs` paints one picture
after the other, `form` makes a `Config` of what was entered, and `page` lays it out.
"""
