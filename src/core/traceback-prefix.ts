/**
 * Tracebacks whose lines stand behind something: the time and level of a logger, a container's name, a
 * collector's columns. Whatever stands before the first line is taken off every following line where it
 * stands again in the same shape (digits may differ), and only there.
 */
const LOOK_AT = 400

const BEGINNINGS = [
  String.raw`Traceback \(most recent call last\):`,
  String.raw`\+ Exception Group Traceback `,
  "thread '[^']{0,200}' (?:\\(\\d{1,19}\\) )?(?:panicked at |has overflowed )",
  'Exception in thread "',
  String.raw`Exception: [\w.$]{1,300} thrown from `,
  '(?:panic|fatal error): ',
  String.raw`goroutine \d{1,19} \[`,
  'runtime: goroutine stack exceeds ',
  'SIG(?:QUIT|ABRT|SEGV|BUS|TRAP): ',
  String.raw` {2}File "[^"]{1,300}", line \d{1,9}$`,
].join('|')
const BEGINNING = new RegExp(String.raw`(?:^|[^\w])(${BEGINNINGS})`)
/** `TypeError`, `java.io.IOException`, `com.example.desk.OrderRejected`. */
const CLASSES = [
  String.raw`(?:[\w$]{1,100}\.){0,20}[A-Z][\w$]{0,100}(?:Exception|Error|Throwable)`,
  String.raw`(?:[a-z]\w{0,100}\.){1,20}[A-Z][\w$]{0,100}`,
].join('|')
const ERROR = new RegExp(String.raw`(?:^|[\s|:\]>-])(${CLASSES})(?::|$|\s\[)`)
const LOCATION = /(?:^|[\s|:\]>])((?:(?:file:\/\/|node:|\/)\S{1,300}|<anonymous_script>):\d{1,9})$/
const AT = /\sat \S/
const CARET = /\s\^+\s*$/
/** These begin a part of a traceback whose beginning is lost. */
const INSIDE = /(?:Caused by|Suppressed|Wrapped by|\[cause\]): $/

/** Where in `lines[index]` a traceback may begin behind a prefix; null when there is no sign of one. */
export function prefixLength(lines: readonly string[], index: number): number | null {
  const head = (lines[index] as string).slice(0, LOOK_AT)
  const match =
    BEGINNING.exec(head) ??
    confirmed(ERROR.exec(head), lines, index, 5, AT) ??
    confirmed(LOCATION.exec(head), lines, index, 8, CARET)
  const first = match?.[1]
  if (!match || first === undefined) return null
  const length = match.index + match[0].lastIndexOf(first)
  const prefix = head.slice(0, length)
  return /[A-Za-z\d]/.test(prefix) && !INSIDE.test(prefix) ? length : null
}

/** The match, if one of the next `count` lines has the `sign` of a traceback. */
function confirmed(
  match: RegExpExecArray | null,
  lines: readonly string[],
  index: number,
  count: number,
  sign: RegExp,
): RegExpExecArray | null {
  if (!match) return null
  for (let at = index + 1; at <= index + count; at++) {
    const line = lines[at]
    if (line !== undefined && sign.test(line.slice(-LOOK_AT))) return match
  }
  return null
}

/**
 * The same lines, those from `index` on without the prefix. Made as they are read: nothing is copied, and who
 * looks at three lines pays for three.
 */
export function withoutPrefix(lines: readonly string[], index: number, length: number): readonly string[] {
  const prefix = (lines[index] as string).slice(0, length)
  return new Proxy(lines, {
    get(target, key) {
      const line = Reflect.get(target, key) as unknown
      return typeof line === 'string' && Number(key) >= index ? strip(line, prefix) : line
    },
  })
}

function strip(line: string, prefix: string): string {
  const length = sameShape(line, prefix)
  if (length !== null) return line.slice(length)
  // Whoever writes an empty line often drops the blank at the prefix's end.
  return line !== '' && sameShape(line, prefix.trimEnd()) === line.length ? '' : line
}

/** How much of the line has the shape of `prefix`; null when it begins in another way. */
function sameShape(line: string, prefix: string): number | null {
  let at = 0
  let index = 0
  while (index < prefix.length) {
    if (isDigit(prefix, index)) {
      if (!isDigit(line, at)) return null
      while (isDigit(prefix, index)) index++
      while (isDigit(line, at)) at++
    } else {
      if (line[at] !== prefix[index]) return null
      at++
      index++
    }
  }
  return at
}

function isDigit(text: string, index: number): boolean {
  const code = text.charCodeAt(index)
  return code >= 48 && code <= 57
}
