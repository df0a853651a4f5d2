"""Two processes that share each batch lose what one does alone."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

# Group normalisation: batch normalisation would see half of each batch in each process.
SCRIPT = """
import sys
import numpy as np
import pandas as pd
from mammolab.model.augment import Augmentation
from mammolab.model.config import TrainingConfig
from mammolab.model.network import NetworkConfig
from mammolab.model.train import train

processes, path = int(sys.argv[1]), sys.argv[2]
rng = np.random.default_rng(0)
store = rng.integers(0, 255, (40, 64, 64), dtype=np.uint8)
table = pd.DataFrame({"row": np.arange(40), "label": np.arange(40) % 4 == 0, "sampling_weight": 1})
result = train(
    store,
    table,
    NetworkConfig(width=4, norm="group"),
    TrainingConfig(
        batch_size=12, micro_batch_size=2, epochs=2, steps_per_epoch=4, learning_rate=5e-3,
        threads=1, precision="32-true", processes=processes,
    ),
    Augmentation(),
    lambda network: {"weight": float(network.fc.weight.detach().sum())},
    "weight",
    np.random.default_rng(1),
)
import torch.distributed
if processes > 1:
    assert torch.distributed.get_backend() == "gloo"
    assert torch.distributed.get_world_size() == 2
    torch.distributed.destroy_process_group()
import os
if os.environ.get("LOCAL_RANK", "0") == "0":
    result.step_history.to_csv(path, index=False, float_format="%.17g")
"""


def _losses(processes: int, folder: Path) -> pd.DataFrame:
    script, path = folder / "run.py", folder / f"{processes}.csv"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(processes), str(path)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, timeout=300)
    return pd.read_csv(path)


def test_two_processes_give_the_losses_of_one(tmp_path):
    one, two = (_losses(processes, tmp_path) for processes in (1, 2))
    assert len(one) == 8
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-5)
    np.testing.assert_allclose(two["gradient_norm"], one["gradient_norm"], rtol=1e-3)
