"""finetune-harness: benchmark and reproducibility harness for fine-tuning with Hugging Face `Trainer`.

Importing this package is light on purpose: no torch, no third-party module at all.
"""

__version__ = "0.1.0"
