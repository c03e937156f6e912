"""Writes zip.pth, legacy.pth, expanded.pth and endless.pth (PyTorch 2.11; the last two 2.15)."""

import torch

base = torch.arange(12, dtype=torch.float32).reshape(3, 4) / 8
state = {
    "module.single.weight": base.clone(),
    "module.strided.weight": base.t(),
    "module.half.weight": torch.tensor([1.0, -2.5, 65504.0, 2**-24], dtype=torch.float16),
    "module.brain.weight": torch.tensor([1.0, -3.0], dtype=torch.bfloat16),
    "module.double.weight": torch.tensor([0.1], dtype=torch.float64),
    "module.bn.num_batches_tracked": torch.tensor(7),
}
checkpoint = {"epoch": 3, "state_dict": state}
torch.save(checkpoint, "zip.pth")
torch.save(checkpoint, "legacy.pth", _use_new_zipfile_serialization=False)

torch.save({"ones": torch.ones(1).expand(1 << 16)}, "expanded.pth")
torch.save({"ones": torch.ones(1).expand(1 << 28)}, "endless.pth")
