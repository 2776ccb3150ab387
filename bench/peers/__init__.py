"""Other live servers under the same clip and load. Their packages come from npm, or from a path you give."""
