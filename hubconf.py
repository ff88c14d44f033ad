"""Every network of the zoo for torch.hub: torch.hub.load(".", "unet_earth_dilated_deconv", source="local")."""

from functools import partial as _partial

from models.zoo import entry as _entry
from models.zoo import folders as _folders
from models.zoo import index as _index

dependencies = ["torch", "safetensors", "yaml"]

globals().update({_index.identifier(name): _partial(_entry.load, name) for name in _index.read(_folders.PROJECTS)})
