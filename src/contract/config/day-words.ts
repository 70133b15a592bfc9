/** How times of day and days of the week are written: `09:30`, `Mon-Fri`, `Mon,Wed`. null: not like that. */
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/** Minutes of the day; 24:00 is its end. */
export function parseMinute(text: string): number | null {
  const match = /^([01]?\d|2[0-4]):([0-5]\d)$/.exec(text)
  if (!match) return null
  const minute = Number(match[1]) * 60 + Number(match[2])
  return minute <= 1440 ? minute : null
}

/** 0 is Sunday; in order, each once. A range may go over the end of the week: `Fri-Mon`. */
export function parseWeekdays(text: string): number[] | null {
  const days = new Set<number>()
  for (const part of text.toLowerCase().split(',')) {
    const [first = '', last = first, ...more] = part.split('-').map(word => word.trim())
    const [from, to] = [DAYS.indexOf(first), DAYS.indexOf(last)]
    if (from < 0 || to < 0 || more.length > 0) return null
    for (let day = from; ; day = (day + 1) % DAYS.length) {
      days.add(day)
      if (day === to) break
    }
  }
  return [...days].sort((a, b) => a - b)
}
