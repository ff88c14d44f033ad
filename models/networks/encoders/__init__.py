"""Encoders: images to feature maps, each in the table by being here, under `@encoder("name")`.

`models.networks.interfaces.Encoder` says what one promises.
"""

from plumbing.table import Table

encoder = Table("encoder", "models.networks.encoders", key="family")
