/**
 * A story on paper: `# prose`, commands at the margin, and indented under each what happened. Telling it
 * again keeps prose and commands and writes what happens now.
 */
import { StoryLife } from './story-life.ts'

export function retell(script: string): string {
  const life = new StoryLife()
  const lines: string[] = []
  for (const line of script.split('\n')) {
    if (/^\s+\S/.test(line)) continue
    lines.push(line.trimEnd())
    if (line.trim() === '' || line.startsWith('#')) continue
    lines.push(...life.run(line.trim()).map(happened => `  ${happened}`))
  }
  return `${lines.join('\n').trimEnd()}\n`
}
