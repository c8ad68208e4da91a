# SPDX-License-Identifier: MIT
# Completion for fish: the program itself knows what may follow.
complete -c clusterctl -f -a '(clusterctl --complete (commandline -opc)[2..] 2>/dev/null)'
