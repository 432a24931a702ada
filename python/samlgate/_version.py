"""Version of the package. A test compares it with package.json."""

VERSION = "0.1.0"
