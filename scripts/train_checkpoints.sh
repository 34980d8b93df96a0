#!/usr/bin/env bash
# Train the shipped checkpoints, one after another. Run it again to continue where it stopped.
#
#   scripts/train_checkpoints.sh PHOTOGRAPHS STARTS OUTPUT [FLAG...]
#
# PHOTOGRAPHS holds the folders of SOURCES, STARTS the ImageNet weights of the ResNets. RUNS lists
# what to train: network, start, epochs, side in pixels and precision. Each FLAG is passed to
# every train.py. On a GPU:
#
#   RUNS="resnet18:pretrained:30:448:auto resnet18:scratch:30:448:auto" SEEDS="0 1 2" \
#     scripts/train_checkpoints.sh data weights runs/shipped --workers 8
set -euo pipefail

photographs=$1 starts=$2 output=$3
shift 3
python=${PYTHON:-python}
read -ra sources <<<"${SOURCES:-aptos2019 odir eyepacs eyepacs400}"
read -ra seeds <<<"${SEEDS:-0}"
read -ra runs <<<"${RUNS:-resnet18:pretrained:5:320:bfloat16 efficientnet_lite0:pretrained:5:320:off \
resnet18:scratch:5:320:bfloat16 resnet50:pretrained:5:256:bfloat16 resnet50:scratch:5:256:bfloat16}"

data=()
for source in "${sources[@]}"; do data+=(--data "$photographs/$source"); done

for seed in "${seeds[@]}"; do
    for run in "${runs[@]}"; do
        IFS=: read -r model start epochs side precision <<<"$run"
        half=(--scratch)
        if [ "$start" = pretrained ]; then
            half=(--pretrained)
            if [[ $model == resnet* ]]; then half+=("$starts"); fi
        fi
        "$python" train.py "${data[@]}" --model "$model" "${half[@]}" --recipe modern \
            --epochs "$epochs" --image-size "$side" --amp "$precision" --seed "$seed" \
            --output "$output/$model-$start-seed$seed" --resume "$@"
    done
done
