# Requests in the lines of one log, counted: those that are wanted, by who sends them, and how many there are of each
# service. From the environment: WANTED (lines of service, number, methods, pattern and exceptions, with tabs between),
# SERVICE (whose log it is, "" for a load balancer's), WHOSE (NAME=SERVICE of backends and :PORT), MOUNTS (WORD=SERVICE
# of a path's first word, or a host name's), SINCE. A SERVICE may be several, with blanks between: one of them, and not
# known which. "-" is one that is not looked for. With BY_PROJECT those that were answered well are told apart by path
# and project alone. It says what it has found as lines of a kind and values, with tabs between. For every awk, mawk 1.3
# among them.

BEGIN {
    MOST = 5000  # kinds of calls that are told apart
    METHODS = "(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)"
    REQUEST = "(^|[\" ])" METHODS " (/|https?://)[^ \"]*"
    DAY = "[0-9][0-9]?/[A-Z][a-z][a-z]/[0-9][0-9][0-9][0-9][: ][0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
    HAPROXY = "\\[" DAY "[.0-9]*\\] [^ ]+ [^ ]+/[^ ]+ [-+0-9/]+ [-0-9]+ [-+0-9]+ "
    SERVICE = ENVIRON["SERVICE"]
    since = ENVIRON["SINCE"]
    wanted = split(ENVIRON["WANTED"], rows, "\n")
    all = "^$"
    for (i = 1; i <= wanted; i++) {
        split(rows[i], row, "\t")
        of[i] = row[1]; number[i] = row[2]; methods[i] = row[3]; pattern[i] = row[4]; but[i] = row[5]
        all = all "|" row[4]
        known[row[1]] = 1
    }
    read_pairs(ENVIRON["WHOSE"], whose)
    read_pairs(ENVIRON["MOUNTS"], mounts)
    split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", names, " ")
    for (i in names) month[names[i]] = sprintf("%02d", i)
}

function read_pairs(text, into,   pairs, n, i, at) {
    n = split(text, pairs, "\n")
    for (i = 1; i <= n; i++) {
        at = match(pairs[i], /=[^=]*$/)
        into[substr(pairs[i], 1, at - 1)] = substr(pairs[i], at + 1)
    }
}

# if it is one service, and looked for
function is_one(text) { return text != "" && text != "-" && text !~ / / }

function is_address(text) { return text ~ /^[0-9a-fA-F.:, ]+$/ && text ~ /[.:]/ }

# when it was, as 2026-11-30 08:04:01; "" where the line does not say it
function moment(text,   part) {
    if (match(text, DAY)) {
        split(substr(text, RSTART, RLENGTH), part, /[\/: ]/)
        return sprintf("%s-%s-%02d %s:%s:%s", part[3], month[part[2]], part[1], part[4], part[5], part[6])
    }
    if (match(text, /[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]/))
        return substr(text, RSTART, 10) " " substr(text, RSTART + 11, 8)
    if (match(text, /\[[A-Z][a-z][a-z] [A-Z][a-z][a-z] +[0-9]+ [0-9:]+ [0-9][0-9][0-9][0-9]\]/)) {
        split(substr(text, RSTART + 1, RLENGTH - 2), part, / +/)
        return sprintf("%s-%s-%02d %s", part[5], month[part[2]], part[3], part[4])
    }
    return ""
}

# a service by the name of a backend or a frontend; "" where that does not say it
function service(name,   words, n, i) {
    sub(/~$/, "", name)
    if (name in whose && is_one(whose[name])) return whose[name]
    n = split(name, words, /[-_.]/)
    for (i = 1; i <= n; i++) if (words[i] in known) return words[i]
    return name in whose ? whose[name] : ""
}

# a service by a word that stands for it, as volume or heat-api; "" where it stands for none
function mounted(word) {
    sub(/-(api|public|internal|admin)$/, "", word)
    return word in mounts ? mounts[word] : ""
}

# a service by HOST:PORT: by the port, or where that does not say one by the first word of the host's name
function placed(where,   port, word) {
    if (!match(where, /:[0-9]+$/)) return ""
    port = substr(where, RSTART)
    if (port in whose && is_one(whose[port])) return whose[port]
    word = substr(where, 1, RSTART - 1)
    sub(/\..*/, "", word)
    word = mounted(word)
    return word == "" && port in whose ? whose[port] : word
}

# addresses with commas between: the last is who has connected, those before it were forwarded for
function addresses(text,   list, n, i) {
    n = split(text, list, /, */)
    client = list[n]; forwarded = ""
    for (i = 1; i < n; i++) forwarded = forwarded (i > 1 ? ", " : "") list[i]
}

# what stands in quotes or in captured headers: a client's program, or whom it was forwarded for
function header(text) {
    if (text == "" || text == "-" || text ~ /^https?:\/\//) return
    if (is_address(text)) forwarded = text; else agent = text
}

# user and project of oslo.log's [req-... USER PROJECT ...]
function context(text,   words, n, i) {
    if (!match(text, /\[[^\[\]]*req-[^\[\]]*\]/)) return
    n = split(substr(text, RSTART + 1, RLENGTH - 2), words, " ")
    for (i = n; i > 0 && words[i] !~ /^req-/; i--) ;
    user = words[i + 1]; project = words[i + 2]
    if (user == "-") user = ""
    if (project == "-") project = ""
}

# the path without what is somebody's: ids, names with other signs, and long words, which may be tokens
function shape(path,   parts, n, i, part, text) {
    n = split(path, parts, "/")
    for (i = 2; i <= n && i <= 9; i++) {
        part = parts[i]
        if (part ~ /^[0-9]+$/ || (length(part) >= 8 && part ~ /^[0-9a-f-]+$/)) {
            if (parts[i - 1] ~ /^v[0-9.]+$/) { if (project == "") project = part; part = "{project}" }
            else part = "{id}"
        } else if (part !~ /^[A-Za-z0-9_.-]+$/ || length(part) > (part ~ /[0-9]/ ? 24 : 40)) part = "{id}"
        text = text "/" part
    }
    return text == "" ? "/" : text
}

function haproxy(before,   head, words, n, i) {
    head = substr(before, 1, RSTART - 1)
    rest = substr(before, RSTART + RLENGTH)
    split(substr(before, RSTART, RLENGTH), words, " ")
    status = words[5]
    split(words[3], pair, "/")
    name = pair[1]
    whom = service(pair[1])
    if (!is_one(whom) && is_one(service(words[2]))) whom = service(words[2])
    n = split(head, words, " ")
    client = words[n]
    sub(/:[0-9]+$/, "", client)
    if (match(rest, /\{[^}]*\}/)) {
        n = split(substr(rest, RSTART + 1, RLENGTH - 2), words, "|")
        for (i = 1; i <= n; i++) header(words[i])
    }
}

# lines of services, Apache and nginx: ADDRESS "GET / ... or ADDRESS - USER [DAY] "GET / ...
function quoted(before, after,   words, n, text) {
    if (match(before, " \\[" DAY "[^]]*\\] *$")) n = split(substr(before, 1, RSTART - 1), words, " ") - 2
    else n = split(before, words, " ")
    if (n < 1 || words[n] !~ /^[0-9A-Za-z_.:,<>-]+$/) return 0
    text = words[n]
    while (n > 1 && words[n - 1] ~ /,$/) text = words[--n] " " text
    addresses(text)
    if (!is_one(whom) && match(words[n - 1], /:[0-9]+$/)) {
        name = substr(words[n - 1], RSTART)
        if ((text = placed(words[n - 1])) != "") whom = text
    }
    context(before)
    if (match(after, /status: [0-9]+/)) status = substr(after, RSTART + 8, RLENGTH - 8)
    else if (after ~ /^ *[0-9][0-9][0-9]( |$)/) { split(after, words, " "); status = words[1] }
    while (match(after, /"[^"]*"/)) { header(substr(after, RSTART + 1, RLENGTH - 2)); after = substr(after, RSTART + RLENGTH) }
    return 1
}

{
    if (!match($0, REQUEST)) next
    before = substr($0, 1, RSTART - 1); request = substr($0, RSTART, RLENGTH); after = substr($0, RSTART + RLENGTH)
    if (before ~ /REQ: curl|urllib3|requests\.packages/) next  # what a service asks of others
    is_quoted = request ~ /^"/
    if (is_quoted || request ~ /^ /) { if (!is_quoted) before = before " "; request = substr(request, 2) }
    sub(/^ HTTP\/[0-9.]+/, "", after); sub(/^"/, "", after)
    split(request, asked, " ")
    when = moment(before)
    if (when != "" && when < since) next
    client = forwarded = agent = user = project = status = name = ""
    whom = SERVICE; form = "line"
    if (is_quoted && !is_one(SERVICE) && match(before, HAPROXY)) haproxy(before)
    else if (is_quoted) { if (!quoted(before, after)) { strange++; next } }
    else if (after ~ /=> generated/ && match(before, /\] [0-9a-fA-F.:]+ \(/)) {  # uWSGI's own
        client = substr(before, RSTART + 2, RLENGTH - 4)
        if (match(after, /\(HTTP\/[0-9.]+ [0-9]+\)/)) { status = substr(after, RSTART, RLENGTH - 1); sub(/.* /, "", status) }
    } else if (asked[2] ~ /^http/ && before ~ /\[(-|[^\[\]]*req-[^\[\]]*)\] *$/) {
        form = "url"
        context(before)
        split(asked[2], parts, "/")
        if (!is_one(whom) && (text = placed(parts[3])) != "") whom = text
    } else { strange++; next }

    path = asked[2]
    sub(/^https?:\/\/[^\/]*/, "", path); sub(/[?#].*/, "", path); gsub(/\/\/+/, "/", path)
    if (path != "/") sub(/\/$/, "", path)
    # where all services are at one port: /identity/v3
    if (!is_one(SERVICE) && path ~ /^\/[a-z_-]+\/v[0-9]/) {
        split(path, parts, "/")
        if ((text = mounted(parts[2])) != "") whom = text
    }
    if (whom == "-") next
    if (is_one(whom)) {
        requests[form, whom]++
        if (form == "line") has_lines[whom] = 1
        if (when != "" && (!((form, whom) in first) || when < first[form, whom])) first[form, whom] = when
        if (when > last[form, whom]) last[form, whom] = when
    }
    if (path !~ all) next
    for (i = 1; i <= wanted; i++) {
        if ((whom != "" && index(" " whom " ", " " of[i] " ") == 0) || path !~ pattern[i]) continue
        if (methods[i] != "" && index(" " methods[i] " ", " " asked[1] " ") == 0) continue
        if (but[i] != "" && path ~ but[i]) continue
        if (!is_one(whom)) { nobody[name]++; break }
        text = shape(path)
        if (ENVIRON["BY_PROJECT"]) {
            if (status !~ /^[23]/) break
            client = forwarded = agent = user = ""
        }
        gsub(/[\t\r]/, " ", agent)
        key = whom "\t" number[i] "\t" asked[1] "\t" text "\t" status "\t" client "\t" forwarded
        key = key "\t" substr(agent, 1, 120) "\t" user "\t" project
        if (!((form, key) in count)) { if (kinds >= MOST) { more++; break }; kinds++ }
        count[form, key]++
        if (when != "" && (!((form, key) in from) || when < from[form, key])) from[form, key] = when
        if (when > to[form, key]) to[form, key] = when
        break
    }
}

# a service that has a line of a request tells it by its URL once more
function counts(form, of_whom) { return form == "line" || !(of_whom in has_lines) }

END {
    OFS = "\t"
    for (one in requests) {
        split(one, pair, SUBSEP)
        if (counts(pair[1], pair[2])) print "requests", pair[2], requests[one], first[one], last[one]
    }
    for (one in count) {
        split(one, pair, SUBSEP)
        split(pair[2], row, "\t")
        if (counts(pair[1], row[1])) print "call", count[one], from[one], to[one], pair[2]
    }
    for (one in nobody) print "nobody", one, nobody[one]
    if (strange) print "strange", strange
    if (more) print "more", more
}
