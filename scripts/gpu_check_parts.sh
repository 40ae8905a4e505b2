# The parts of scripts/gpu_check, which sources this. `gpu_check part NAME` runs part_NAME in a process of its own, with the
# programs of the collected folder on PATH. A part that fails says why on its last line; one that cannot be tried on this
# machine says so by `cannot`. What it found it leaves in $CHECK_WORK: NAME.notes, rows of the report, and NAME.tsv, times.

on_card() { [ "$CHECK_DEVICE" != cpu ]; }
sized() { if on_card; then echo "$1"; else echo "$2"; fi; }  # sized ON_A_CARD IN_SMALL
cannot() { echo "$*"; exit "$not_here"; }
wrong() { echo "$*"; exit 1; }
note() { printf '| %s | %s |\n' "$1" "$2" | tee -a "$CHECK_WORK/$CHECK_PART.notes"; }
shipped() { echo "$CHECK_ROOT/share/rtdetr/configs/$1.yaml"; }

part_facts() {
  if on_card; then
    note "card, driver, memory" "$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | head -n 1)"
  fi
  note "processor" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(env -u OMP_NUM_THREADS nproc) threads"
  note "program" "$(rtdetr version | tr -s ' \n' ' ')"
  rtdetr info model="$(shipped models/rtdetr-n)" imgsz=64 quiet=true > /dev/null || wrong "the program does not run here"
}

part_ops() {
  RTDETR_TEST_DEVICE=$CHECK_DEVICE rtdetr_test_ops --warn NoTests "$(sized '[devices],[cuda]' '[devices]')" > ops.txt ||
    { cat ops.txt; wrong "operators: $(tail -n 2 ops.txt | head -n 1)"; }
  note "operators, each type" "$(grep . ops.txt | tail -n 1)"
}

# The recorded passes: float64 and float32, forward, and forward and backward.
part_parity() {
  local stems
  stems=$(ls "$RTDETR_FIXTURES" | sed -n 's/\.json$//p' | grep "$(sized . _v1_r18vd)")
  export RTDETR_TEST_DEVICE=$CHECK_DEVICE OMP_NUM_THREADS=1
  echo "$stems" | xargs -P "$(sized 4 2)" -I '{}' sh -c '
    RTDETR_FIXTURE={} rtdetr_test_parity --warn NoTests "[$(echo {} | cut -d_ -f1)]" > {}.txt 2>&1 || echo {} >> failed.txt'
  cat ./*_*.txt
  [ ! -f failed.txt ] || wrong "not the reference's numbers: $(tr '\n' ' ' < failed.txt)"
  note "fixtures within their tolerance" "$(echo "$stems" | wc -l): ${stems//$'\n'/ }; $(cat ./*_*.txt | grep -c ' of ') comparisons"
}

# words_of_run NAME KEY=VALUE…: a short run of the small model
words_of_run() {
  local name=$1
  shift
  words=(train model="$(shipped models/rtdetr-n)" project="$PWD" name="$name" resume=auto val=false plots=false quiet=true
         device="$CHECK_DEVICE" amp=off deterministic=true "$@")
}
train() { words_of_run "$@"; rtdetr "${words[@]}"; }

hash_of() {
  local hash
  hash=$(rtdetr info model="$1/last.safetensors" json=true | sed -n 's/.*"state_hash": "\([0-9a-f]*\)".*/\1/p')
  [ ${#hash} -eq 64 ] || wrong "$1/last.safetensors has no state hash"
  echo "$hash"
}

same_hash() {
  local first second
  first=$(hash_of "$1") second=$(hash_of "$2")
  [ "$first" = "$second" ] || wrong "$3: ${first:0:8} and ${second:0:8} are not the same state"
  note "$3" "the same bits, state ${first:0:8}"
}

# Kills the run as soon as it has saved once, with -9.
start_and_kill() {
  local run code=0
  words_of_run "$@"
  rtdetr "${words[@]}" &
  run=$!
  while [ ! -f "$1/last.safetensors" ] && kill -0 "$run" 2> /dev/null; do sleep 0.02; done
  kill -9 "$run" 2> /dev/null || true
  wait "$run" || code=$?
  [ "$code" = 137 ] || wrong "the run that was to be killed ended by itself, with $code"
}

part_bits() {
  local keys
  keys=(warmup_steps=5 $(sized "data=$(shipped datasets/bccd) imgsz=320 batch=8 epochs=1 save_steps=5" \
          "data=$(shipped datasets/bccd_overfit8) imgsz=64 batch=2 epochs=2 save_steps=3 workers=1 num_queries=20"))
  train whole "${keys[@]}"
  train again "${keys[@]}"
  same_hash whole again "two runs of one seed"
  start_and_kill killed "${keys[@]}"
  train killed "${keys[@]}"
  same_hash whole killed "killed with -9 and continued"
}

# The twelve COCO figures of the run's checkpoint and the mean score of its detections, one a line.
figures_on() {
  rtdetr val model=both/last.safetensors data="$(shipped datasets/bccd_overfit8)" device="$1" project="$PWD" name="val-$1" exist_ok=true save_json=true \
    plots=false quiet=true json=true tf32=false > val.json
  awk '/"stats": \[/ { inside = 1; next } inside && /\]/ { exit } inside { gsub(/[ ,]/, ""); print }' val.json
  grep -oE '"score": *[0-9.e-]+' "val-$1/predictions.json" | awk -F: '{ sum += $2 } END { print sum / NR }'
}

# Validates on both devices. At least `least` of the boxes are found, or there would be nothing to compare.
compare_devices() {
  local what=$1 least=$2 shown
  figures_on cpu > cpu.txt
  figures_on "$CHECK_DEVICE" > device.txt
  shown=$(paste cpu.txt device.txt | awk -v least="$least" '
    { d = $1 - $2; if (d < 0) d = -d; if (d > most) most = d }
    NR == 1 { ap = $1 " and " $2 }
    NR == 9 { recall = $1 }
    NR == 13 { score = $1; scores = $1 " and " $2 }
    END { printf "AP %s, AR100 %.3f, mean score %s; of the 13 figures at most %.5f apart", ap, recall, scores, most
          exit !(NR == 13 && most < 0.001 && recall >= least && score > 0) }') || wrong "$what, on cpu and $CHECK_DEVICE: $shown"
  note "$what, validated on the CPU and on the device" "$shown"
}

# One run: first on the device, then on the CPU from the same checkpoint.
part_exchange() {
  local epochs least keys
  epochs=$(sized 150 1) least=$(sized 0.5 0)
  keys=(cfg="$(shipped recipes/overfit)" data="$(shipped datasets/bccd_overfit8)" $(sized "" "imgsz=64 num_queries=20"))
  train both "${keys[@]}" epochs="$epochs"
  compare_devices "trained on $CHECK_DEVICE" "$least"
  CHECK_DEVICE=cpu train both "${keys[@]}" epochs=$((epochs + 1))
  compare_devices "continued on the CPU" "$least"
}

part_commands() {
  local pictures="$CHECK_ROOT/share/rtdetr/data/samples/bccd/images" found
  rtdetr export model="$(shipped models/rtdetr-n)" imgsz="$(sized 640 64)" format=safetensors output=m.safetensors \
    verify="$(shipped datasets/bccd_overfit8)" device="$CHECK_DEVICE" quiet=true json=true || wrong "export fails, or its file computes something else"
  note "export, compared on pictures" "passed"
  ls "$pictures" | sed -n "1,$(sized 64 4)s#^#$pictures/#p" > pictures.txt  # which reads to the end, or ls fails
  rtdetr predict model=m.safetensors source=pictures.txt conf=0.001 save_json=true project="$PWD" name=predict \
    device="$CHECK_DEVICE" quiet=true
  found=$(grep -c '"score"' predict/detections.json) || wrong "predict finds nothing at conf=0.001"
  note "predict" "$found detections in $(wc -l < pictures.txt) pictures"
  rtdetr benchmark model=m.safetensors device="$CHECK_DEVICE" runs="$(sized 50 2)" quiet=true
}

part_sanitizer() {
  local tool cases='deformable attention equals its grid_sample form*' more
  on_card || cannot "needs a card"
  tool=$(PATH="$PATH:/usr/local/cuda/bin" command -v compute-sanitizer) || cannot "there is no compute-sanitizer"
  export RTDETR_TEST_DEVICE=$CHECK_DEVICE
  more="$cases,no queries and no images*,half types*,points that are not numbers*"
  "$tool" --tool memcheck --error-exitcode 9 "$(command -v rtdetr_test_ops)" --warn NoTests "$more" || wrong "memcheck found errors"
  note "compute-sanitizer memcheck" "no error in four cases of deformable attention"
  "$tool" --tool racecheck --error-exitcode 9 "$(command -v rtdetr_test_ops)" --warn NoTests "$cases" || wrong "racecheck found hazards"
  note "compute-sanitizer racecheck" "no hazard in one"
}

part_attention() {
  on_card || cannot "is measured on a card"
  RTDETR_TEST_DEVICE=$CHECK_DEVICE rtdetr_bench_ms_deform_attn | tee "$CHECK_WORK/attention.txt"
}

# bench_steps MODEL BATCH VARIANT…: rows of model, batch, variant, best ms, median ms, MiB
bench_steps() {
  local model=$1 batch=$2 IFS=,
  shift 2
  rtdetr_bench_train "$(shipped "models/rtdetr_$model")" "$batch" "$(sized 640 64)" device="$CHECK_DEVICE" steps="$(sized 10 1)" \
    threads="$(sized 8 1)" variants="$*" | tee step.txt
  sed -n 's/.*, batch [0-9]* of [^,]*, \([a-z0-9_]*\), .*: step \([0-9.]*\) s (median \([0-9.]*\)).* peak \([0-9]*\) MiB$/\1 \2 \3 \4/p' \
    step.txt | awk -v model="$model" -v batch="$batch" -v OFS='\t' '{ print "train", model, batch, $1, 1000 * $2, 1000 * $3, $4 }' \
    >> "$CHECK_WORK/steps.tsv"
}

part_steps() {
  if on_card; then
    bench_steps r18vd 16 bf16 fp16 tf32 fp32 bf16_deterministic
    bench_steps r50vd 16 bf16 fp16 tf32 fp32 bf16_deterministic
    bench_steps r18vd 4 bf16 fp16 tf32 fp32
  else
    bench_steps r18vd 1 fp32 fp32_deterministic
  fi
}

# The keys of benchmark for a number type; fails for what is not measured on a CPU.
keys_of_type() {
  case $1 in
    fp32) echo tf32=false ;;
    tf32) on_card && echo tf32=true ;;
    *) on_card && echo "amp=$1" ;;
  esac
}

# bench_inference MODEL BATCH: of the model alone, in every number type there is
bench_inference() {
  local model=$1 batch=$2 type keys ms
  for type in fp32 tf32 bf16 fp16; do
    keys=$(keys_of_type "$type") || continue
    ms=$(rtdetr benchmark model="$(shipped "models/rtdetr_$model")" imgsz="$(sized 640 64)" batch="$batch" device="$CHECK_DEVICE" \
           runs="$(sized 50 2)" quiet=true json=true $keys |
         awk '/"model_ms"/ { inside = 1 } inside && match($0, /"(min|p50)": [0-9.]+/) { split(substr($0, RSTART, RLENGTH), p, ": "); print p[2] }
              inside && /}/ { exit }' | tr '\n' '\t')
    printf 'infer\t%s\t%s\t%s\t%s-\n' "$model" "$batch" "$type" "$ms" | tee -a "$CHECK_WORK/inference.tsv"
  done
}

part_inference() {
  bench_inference r18vd 1
  ! on_card || { bench_inference r50vd 1; bench_inference r50vd 16; }
}

# peer_rows train|infer MODEL BATCH VARIANTS: the same rows of what PEER measures
peer_rows() {
  env -u LD_LIBRARY_PATH python3 -u "$PEER" "$1" --model "official_$2" --batch "$3" --variants "$4" | tee peer.txt
  sed -n 's/.*"variant": "\([^"]*\)".*"\(step_\)\{0,1\}ms_min": \([0-9.]*\).*"\(step_\)\{0,1\}ms_med": \([0-9.]*\)\(.*\)/\1 \3 \5 \6/p' peer.txt |
    awk -v what="$1" -v model="$2" -v batch="$3" -v OFS='\t' '{
      mib = match($0, /"peak_mib": [0-9.]+/) ? substr($0, RSTART + 12, RLENGTH - 12) : "-"
      print what, model, batch, $1, $2, $3, mib }' >> "$CHECK_WORK/peer.tsv"
}

part_peer() {
  on_card || cannot "is measured on a card"
  [ -n "${PEER:-}" ] || cannot "PEER= names no gpu_peers.py"
  peer_rows train r18vd 16 bf16,fp16,bf16_cl,fp32
  peer_rows train r50vd 16 bf16,bf16_cl
  peer_rows train r18vd 4 bf16,bf16_cl
  peer_rows infer r18vd 1 fp32,fp16
  peer_rows infer r50vd 1 fp32,fp16
  peer_rows infer r50vd 16 fp16_cl,bf16_cl
  [ -s "$CHECK_WORK/peer.tsv" ] || wrong "the peer measured nothing"
}

# times_table train|infer: rows of ours, the shortest times, beside the peer's best variant
times_table() {
  local file files=()
  for file in peer steps inference; do [ ! -f "$CHECK_WORK/$file.tsv" ] || files+=("$CHECK_WORK/$file.tsv"); done
  echo "| model, batch | ours | ms, shortest (median) | MiB | the peer's best | ms | MiB | ratio |"
  echo "|---|---|---|---|---|---|---|---|"
  awk -F '\t' -v what="$1" '
    function whole(mib) { return mib == "-" ? "" : sprintf("%.0f", mib) }
    $1 != what { next }
    FILENAME ~ /peer/ { k = $2 ", " $3; if (!(k in best) || $5 < best[k]) { best[k] = $5; name[k] = $4; room[k] = $7 } next }
    { k = $2 ", " $3; printf "| %s | %s | %.2f (%.2f) | %s |", k, $4, $5, $6, whole($7)
      if (k in best) printf " %s | %.2f | %s | %.2fx |\n", name[k], best[k], whole(room[k]), best[k] / $5
      else print " | | | |" }' "${files[@]:-/dev/null}"
}

# The report, of what there is so far.
report() {
  local part
  echo "### $(date -u +%Y-%m-%d), device=$CHECK_DEVICE"
  printf '\n| part | result | s |\n|---|---|---|\n'
  for part in "${checks[@]}" "${timings[@]}"; do
    [ ! -f "$CHECK_WORK/$part.end" ] || awk -F '\t' '{ printf "| %s | %s | %s |\n", $1, $2, $3 }' "$CHECK_WORK/$part.end"
  done
  printf '\n| what | seen |\n|---|---|\n'
  for part in "${checks[@]}"; do [ ! -f "$CHECK_WORK/$part.notes" ] || cat "$CHECK_WORK/$part.notes"; done
  local side
  side=$(sized 640 64)
  printf '\nTraining step at %sx%s: forward, matching, losses, backward, clipping, AdamW, EMA.\n\n' "$side" "$side"
  times_table train
  printf '\nThe model alone, fused, at %sx%s, ms a batch.\n\n' "$side" "$side"
  times_table infer
  [ ! -f "$CHECK_WORK/attention.txt" ] || { printf '\nDeformable attention, ms.\n\n'; sed 's/^/    /' "$CHECK_WORK/attention.txt"; }
}
