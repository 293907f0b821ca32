#!/usr/bin/env bash
# UCF101 (class folders in UCF-101/, split files in ucfTrainTestlist/) to the paper's evaluations on split 1.
# Stop it at any time and start it again: every command goes on where it was.
set -eu

fame extract UCF-101 -o work --source ucf101 --annotations ucfTrainTestlist --split 1
fame masks work
fame visualize masks work

# MoCo and MoCo+FAME differ in nothing but beta.
fame pretrain work --resume runs/moco --beta 1
fame pretrain work --resume runs/fame --beta 0.5
fame visualize curves runs/moco runs/fame -o pictures

for run in runs/moco runs/fame; do
    fame eval linear work "$run"
    fame eval finetune work "$run"
    fame eval retrieval work "$run"
    fame visualize retrieval work "$run"
done
fame visualize cam work runs/moco runs/fame -o pictures
