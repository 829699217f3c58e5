# Writes what zsh offers at the end of $LINE into the file $ANSWER, a match on each line, with the completion script $SCRIPT in
# force; bucketline stands for the command $RUN. Only a line editor completes, so there is a second zsh, in a terminal of its own.
zmodload zsh/zpty || exit 1
zpty editor "TERM=dumb zsh -f -i"
zpty -w editor "source ${(q)0:A:h}/editor.zsh"
zpty -r editor seen '*<ready>*' || exit 1
zpty -w -n editor $'\C-g'
zpty -r editor seen '*<done>*' || exit 1
zpty -d editor
