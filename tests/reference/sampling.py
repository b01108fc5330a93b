"""transformers' logits processors and warpers, in the order of `generate`."""

import torch
from common import save, waves
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

CASES = [
    dict(),
    dict(temperature=0.7),
    dict(temperature=1.0, top_k=50),
    dict(temperature=1.0, top_k=200, repetition_penalty=1.15),
    dict(temperature=1.3, top_p=0.9),
    dict(temperature=0.9, top_k=20, top_p=0.8, repetition_penalty=1.05),
    dict(temperature=1.0, min_p=0.1),
    dict(temperature=1.5, top_k=40, top_p=0.95, min_p=0.05, repetition_penalty=1.3),
    dict(top_p=0.01),
    dict(top_k=1),
]


def processors(case):
    made = LogitsProcessorList()
    if "repetition_penalty" in case:
        made.append(RepetitionPenaltyLogitsProcessor(case["repetition_penalty"]))
    if "temperature" in case:
        made.append(TemperatureLogitsWarper(case["temperature"]))
    if "top_k" in case:
        made.append(TopKLogitsWarper(case["top_k"]))
    if "top_p" in case:
        made.append(TopPLogitsWarper(case["top_p"]))
    if "min_p" in case:
        made.append(MinPLogitsWarper(case["min_p"]))
    return made


def main():
    tensors = {}
    for i, case in enumerate(CASES):
        logits = 3 * waves(1, 400, seed=i)
        seen = torch.randint(0, 400, (1, 60), generator=torch.Generator().manual_seed(i))
        warped = processors(case)(seen, logits.clone())
        tensors[f"{i}.logits"] = logits[0]
        tensors[f"{i}.seen"] = seen[0].to(torch.int64)
        tensors[f"{i}.kept"] = warped.isfinite()[0].to(torch.uint8)
        tensors[f"{i}.probabilities"] = warped.softmax(-1)[0]
    save("sampling", {}, tensors, CASES)


if __name__ == "__main__":
    main()
