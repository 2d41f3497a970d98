"""`python -m flyball` is the `flyball` program."""

import sys

from flyball.cli import main

sys.exit(main())
