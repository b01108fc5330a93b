#!/bin/sh
# Gathers seeds from the repository's own files into fuzz/corpus/TARGET.
set -eu
cd "$(dirname "$0")/.."

put() { # target, files from standard input, none larger than 40 kB
    mkdir -p "fuzz/corpus/$1"
    while read -r file; do
        [ "$(wc -c < "$file")" -le 40960 ] || continue
        cp "$file" "fuzz/corpus/$1/$(echo "$file" | tr / _)"
    done
}

for target in syntax check format editor; do
    git ls-files '*.agpt' | put "$target"
done
git ls-files '*bundle.yaml' '*evaluator.yaml' | put bundle
git ls-files '*.yaml' | grep -v -e bundle.yaml -e evaluator.yaml | put recipe
git ls-files '*.wasm' | put component
git ls-files 'tests/fixtures/torch/*' '*.safetensors' | put weights
git ls-files '*tokenizer.json' | put tokenizer
git ls-files '*tokenizer.model' | put sentencepiece
git ls-files 'tests/fixtures/media/*' | grep -E '\.(png|jpg|webp)$' | put picture
git ls-files 'tests/fixtures/sound/*' | grep -E '\.(wav|flac|mp3|ogg)$' | put sound
git ls-files '*.jsonl' '*.csv' | put rows
git ls-files 'examples/*snapshot.json' | put snapshot
git ls-files 'examples/*recording.json' | put snapshot
# Regressions are seeds too, and the only ones of targets without files here.
for folder in fuzz/regressions/*/; do
    target=$(basename "$folder")
    mkdir -p "fuzz/corpus/$target"
    cp "$folder"* "fuzz/corpus/$target/"
done
