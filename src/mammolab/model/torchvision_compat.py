"""Import torchvision beside a CPU build of torch, for which its wheel lacks two operators.

PyPI's torchvision registers fake kernels for `torchvision::nms` at import and raises when its
compiled library does not match the torch build. Models and transforms need neither operator, so
declaring their signatures is enough. Applied only when the plain import fails.
"""

import torch

_DECLARED: list[torch.library.Library] = []  # a Library unregisters its operators when collected


def import_torchvision():
    """Return the torchvision module, declaring its missing operators first where needed.

    Raises
    ------
    RuntimeError
        When the import fails for any other reason than the missing operators.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(library)
        import torchvision
    return torchvision
