# JSON to lines "path<TAB>value", one per string, number, true, false and null: links.0.mtu<TAB>1500
# Newlines and tabs inside strings become spaces; \uXXXX below 128 becomes its character, above it a question mark.
{ text = text $0 "\n" }

function skip() { while (substr(text, at, 1) ~ /[ \t\r\n]/) at++ }

function string(  out, c, code) {
    at++
    out = ""
    while (at <= length(text)) {
        c = substr(text, at++, 1)
        if (c == "\"") return out
        if (c == "\\") {
            c = substr(text, at++, 1)
            if (c == "u") {
                code = hex(substr(text, at, 4))
                at += 4
                c = code < 32 ? " " : code < 127 ? sprintf("%c", code) : "?"
            } else if (c ~ /[bfnrt]/) c = " "
        }
        out = out c
    }
    return out
}

function hex(digits,  i, value) {
    value = 0
    for (i = 1; i <= length(digits); i++)
        value = value * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
    return value
}

function value(path,  c, n, key, start) {
    skip()
    c = substr(text, at, 1)
    if (c == "{" || c == "[") {
        at++
        n = 0
        while (at <= length(text)) {
            skip()
            if (substr(text, at, 1) ~ /[]}]/) { at++; return }
            if (substr(text, at, 1) == ",") { at++; continue }
            key = n++
            if (c == "{") {
                key = string()
                skip()
                at++
            }
            value(path == "" ? key : path "." key)
        }
        return
    }
    if (c == "\"") { printf "%s\t%s\n", path, string(); return }
    start = at
    while (at <= length(text) && substr(text, at, 1) !~ /[],} \t\r\n]/) at++
    if (at == start) at++
    else printf "%s\t%s\n", path, substr(text, start, at - start)
}

END { at = 1; value("") }
