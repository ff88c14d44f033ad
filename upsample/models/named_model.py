"""Build a model from a name on the command line."""

import importlib
import inspect
import json
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def build_target(target: str, arguments: str = "{}") -> "nn.Module":
    """Import `package.module:callable` and call it with the keyword arguments of a JSON object.

    This runs the imported code. A callable that is a module already is returned as it is.
    Raises ValueError, in one sentence, for whatever goes wrong.
    """
    place, _, attribute = target.partition(":")
    if not place or not attribute:
        raise ValueError(f"TARGET is package.module:callable, such as torchvision.models:resnet18, not '{target}'")
    try:
        keywords = json.loads(arguments)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"--args is not JSON ({error}): write a JSON object such as '{{\"weights\": null}}'"
        ) from error
    if not isinstance(keywords, dict):
        raise ValueError(f"--args is a JSON object of keyword arguments, not {arguments}")
    try:
        made = attrgetter(attribute)(importlib.import_module(place))
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{target} cannot be imported: {error}") from error

    from torch import nn  # here, not above: what cannot be imported is refused at once

    if not isinstance(made, nn.Module):
        if not callable(made):
            raise ValueError(f"{target} is a {type(made).__name__}, which cannot be called")
        made = _call(target, made, keywords)
    if not isinstance(made, nn.Module):
        raise ValueError(f"{target} returned a {type(made).__name__}, not a torch.nn.Module")
    return made


def _call(target: str, make: Callable[..., Any], keywords: dict[str, Any]) -> Any:
    try:
        return make(**keywords)
    except Exception as error:  # the target is anyone's code
        if _is_download(error):
            off = {name: None for name in _parameters(make) if "weights" in name or "pretrained" in name}
            advice = (
                f"--args '{json.dumps({**keywords, **off})}' builds it without" if off else "turn that off with --args"
            )
            raise ValueError(f"{target} tried to download weights and could not; {advice}") from error
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{target} could not be built: {reason}") from error


def _is_download(error: BaseException | None) -> bool:
    """Whether a network error is anywhere in the chain; urllib, requests and huggingface_hub all end in one."""
    while error is not None:
        network = isinstance(error, OSError) and not isinstance(error, FileNotFoundError | PermissionError)
        if network or type(error).__module__.split(".")[0] in ("huggingface_hub", "httpx", "httpcore", "requests"):
            return True
        error = error.__cause__ or error.__context__
    return False


def _parameters(make: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(make).parameters)
    except ValueError:  # builtins have none
        return []
