"""Networks: plain modules that know nothing of training, each in the table by being here.

A module registers its class by `@network("name")`; models/networks/interfaces.py says what one promises.
"""

from plumbing.table import Table

network = Table("model", "models.networks")
