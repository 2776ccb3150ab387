"""Small things every package may use: clock, ids, errors, pages of a list. No word of our domain lives here."""
