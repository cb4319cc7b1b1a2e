"""What the model card claims, parakeet_ros/models/CARD.md."""

CARD_WER_PERCENT = 0.3  # greedy TDT, row "heldout/, 54 of one sentence"
