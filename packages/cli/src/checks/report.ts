/** How check results look: Linkerd's lines for people, its JSON for programs, only the bad news for `-o short`. */
import type { CategoryOutcome, CheckOutcome, CheckResult } from './check.ts';
import { passed } from './check.ts';

const SIGN: Readonly<Record<CheckResult, string>> = { success: '√', warning: '‼', error: '×' };

export function categoryHeading(name: string): string {
  return `${name}\n${'-'.repeat(name.length)}\n`;
}

export function outcomeLines(outcome: CheckOutcome): string {
  const head = `${SIGN[outcome.result]} ${outcome.description}\n`;
  if (outcome.result === 'success') return `${head}${indented(outcome.detail)}`;
  return `${head}${indented(outcome.error)}    see ${outcome.hint ?? ''} for hints\n`;
}

function indented(text: string | undefined): string {
  if (text === undefined) return '';
  return text
    .split('\n')
    .map((line) => `    ${line}\n`)
    .join('');
}

export function verdict(outcomes: readonly CategoryOutcome[]): string {
  return `Status check results are ${passed(outcomes) ? SIGN.success : SIGN.error}\n`;
}

export function checksJson(outcomes: readonly CategoryOutcome[]): string {
  return `${JSON.stringify({ success: passed(outcomes), categories: outcomes }, undefined, 2)}\n`;
}

export function shortText(outcomes: readonly CategoryOutcome[]): string {
  const bad = outcomes
    .map((category) => ({ ...category, checks: category.checks.filter((check) => check.result !== 'success') }))
    .filter((category) => category.checks.length > 0);
  return `${bad.map((category) => `${categoryHeading(category.categoryName)}${category.checks.map(outcomeLines).join('')}\n`).join('')}${verdict(outcomes)}`;
}
