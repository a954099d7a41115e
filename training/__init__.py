"""From labelled pictures to the plate networks that ship with the package; see ``training/README.md``."""
