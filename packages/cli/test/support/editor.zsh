# The zsh of offered.zsh that has a terminal.
PS1= PS2= RPS1=
autoload -Uz compinit
compinit -u -D
bucketline() { ${(z)RUN} "$@" }
eval $SCRIPT

typeset -ga offered
# Keeps the matches, and adds them as ever. Calls that only fill arrays are those of the completion system itself.
compadd() {
  local -a matches
  if [[ " $* " != *' '-[12Jxa-zV]#[OAD]' '* ]]; then
    builtin compadd -A matches "$@"
    offered+=($matches)
  fi
  builtin compadd "$@"
}
zle -C matches list-choices _main_complete
probe() {
  BUFFER=$LINE CURSOR=$#LINE
  zle matches
  print -rl -- $offered > $ANSWER
  print '<done>'
}
zle -N probe
bindkey '^G' probe
print '<''ready>'
