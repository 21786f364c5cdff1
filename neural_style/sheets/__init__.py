"""Contact sheets: many small runs that share what they can, on one labeled picture and one page."""
