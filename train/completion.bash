# bash completion for nddr
# SPDX-License-Identifier: LGPL-2.1-or-later

_nddr ()
{
  local cur prev verb
  COMPREPLY=()
  cur=${COMP_WORDS[COMP_CWORD]}
  prev=${COMP_WORDS[COMP_CWORD - 1]}
  verb=${COMP_WORDS[1]}
  # bash takes --option=value for three words
  [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
  [[ $cur == = ]] && cur=
  # a file's name as it was typed: a\ b
  local file=${cur//\\/}
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "devices infer train eval report compare average synth import export info bench --help --version" -- "$cur"))
    return
  fi
  case $prev in
    --precision)
      case " ${COMP_WORDS[*]} " in
        *" bench "*"--train "*) COMPREPLY=($(compgen -W "auto fp32 mixed" -- "$cur")) ;;
        *) COMPREPLY=($(compgen -W "auto fp32 fp16" -- "$cur")) ;;
      esac
      return ;;
    --view) COMPREPLY=($(compgen -W "overlay map raw" -- "$cur")); return ;;
    --plan) COMPREPLY=($(compgen -W "gpu software" -- "$cur")); return ;;
    --split) COMPREPLY=($(compgen -W "train val" -- "$cur")); return ;;
    -o | --output)
      case $verb in
        average | import | export | report) mapfile -t COMPREPLY < <(compgen -f -- "$file") ;;
        *) mapfile -t COMPREPLY < <(compgen -d -- "$file") ;;
      esac
      return ;;
    --classes) mapfile -t COMPREPLY < <(compgen -f -- "$file"); return ;;
    --set | --tasks | --input | --batch | --count | --size | --seed | --device | --threads) return ;;
  esac
  if [[ $cur == -* ]]; then
    local options=--help
    case $verb in
      devices) options="--help --measure" ;;
      infer) options="--help --output --view --npy --input --precision --device" ;;
      train) options="--help --output --set --init --resume --device" ;;
      eval) options="--help --json --paper --report --skip-broken --input --precision --device" ;;
      report) options="--help --output --data --device" ;;
      compare) options="--help --baseline --last --markdown --json" ;;
      synth) options="--help --count --size --seed --split --walk --threads" ;;
      import) options="--help --output --tasks --classes --input --set" ;;
      average) options="--help --output --half" ;;
      export) options="--help --output" ;;
      info) options="--help --input --plan" ;;
      bench) options="--help --input --batch --precision --train --layers --tune --json --device" ;;
    esac
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
    return
  fi
  mapfile -t COMPREPLY < <(compgen -f -- "$file")
}
complete -o filenames -F _nddr nddr
