"""`python -m dataplane` is `sixscope`."""

import sys

from dataplane.commands import main

sys.exit(main())
