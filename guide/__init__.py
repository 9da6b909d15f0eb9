"""The lab in words and pictures, and what keeps both true."""
