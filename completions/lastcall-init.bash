# bash completion for lastcall-init(1)
_lastcall_init() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} index option
  local valued='--stop --grace --floor --reserve --until --scope --pre-stop --pause --stop-on --with --with-policy --main-policy --notice
    --notice-file -r --rewrite --cgroup --exit --parent-death --timeout --events'
  local plain='--setsid --no-setsid --dry-run -v --verbose -h --help -V --version'
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    option=${COMP_WORDS[index]}
    if [[ $option != -* || $option == -- ]]; then
      [[ $option == -- ]] && ((index++))
      declare -F _command_offset >/dev/null && _command_offset "$index"
      return
    fi
    [[ " ${valued//$'\n'/ } " == *" $option "* ]] && ((index++))
  done
  case $previous in
    --until) COMPREPLY=($(compgen -W 'tree main' -- "$word")) ;;
    --scope) COMPREPLY=($(compgen -W 'main group tree' -- "$word")) ;;
    --with-policy | --main-policy) COMPREPLY=($(compgen -W 'ignore restart stop' -- "$word")) ;;
    --stop-on | --notice | --parent-death) COMPREPLY=($(compgen -W 'HUP INT QUIT USR1 USR2 TERM WINCH' -- "$word")) ;;
    --events | --notice-file | --cgroup) COMPREPLY=($(compgen -f -- "$word")) ;;
    *)
      if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$valued $plain" -- "$word"))
      elif [[ " ${valued//$'\n'/ } " != *" $previous "* ]]; then
        COMPREPLY=($(compgen -c -- "$word") $(compgen -W began -- "$word"))
      fi
      ;;
  esac
}
complete -F _lastcall_init lastcall-init
