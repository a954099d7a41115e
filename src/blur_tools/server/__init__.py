"""The Blur API on this machine: ``blur-tools serve``; needs the extra ``[server]``."""
