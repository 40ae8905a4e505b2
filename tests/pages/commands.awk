# The commands of a Markdown page, one a line: LINE NUMBER, tab, COMMAND. They stand in indented or ```sh blocks, where \
# continues a line, or in backquotes within the text. What blocks show besides (output, trees of files) begins with
# no program's name and has no key=value word.
function is_command(text) {
  return text ~ /^(rtdetr|(\.\/)?scripts\/[a-z]+|build\/[^ ]+|cmake|ctest|cp|cd|export|grep|python3?|for|until|while)( |$)/ \
      || text ~ /^[a-z.\/_-]+ (.* )?[a-z_]+=[^ =]/
}
function flush_command() { if (command != "" && is_command(command)) print start "\t" command; command = "" }
/^```/ { fence = fence == "" ? substr($0, 4) "-" : ""; next }
fence ~ /^(sh|bash|console)-/ || (fence == "" && /^    /) {
  text = $0
  sub(/^ +/, "", text); sub(/^\$ /, "", text)
  if (command == "") start = NR
  continued = sub(/ *\\$/, "", text)
  command = command (command == "" ? "" : " ") text
  if (!continued) flush_command()
  next
}
fence == "" {
  for (rest = $0; match(rest, /`(rtdetr|cp|cmake|ctest) [^`]*`/); rest = substr(rest, RSTART + RLENGTH)) {
    span = substr(rest, RSTART + 1, RLENGTH - 2)
    if (span ~ / .*[ =]/ || span ~ /^rtdetr help /) print NR "\t" span   # `rtdetr check` alone is a name
  }
}
