/** A journal's place in the order in which journals were begun: owner by owner, each with numbers from 1. */
export interface Place {
  readonly generation: number;
  readonly number: number;
}

export function comparePlaces(a: Place, b: Place): number {
  return a.generation - b.generation || a.number - b.number;
}

/** The names of a state's files, all in one folder. */
export class Names {
  readonly state: string;

  constructor(state: string) {
    this.state = state;
  }

  lock(generation: number): string {
    return `${this.state}.lock.${generation}`;
  }

  journal({ generation, number }: Place): string {
    return `${this.state}.journal.${generation}.${number}`;
  }

  /** A file on its way to one of the other names. Generation 0: of somebody who does not own the state yet. */
  draft(generation: number, mark: string): string {
    return `${this.state}.draft.${generation}.${mark}`;
  }

  /** Generations, ascending. */
  locks(names: readonly string[]): number[] {
    return this.#matches(names, /^lock\.([1-9]\d*)$/)
      .map(([, generation]) => Number(generation))
      .sort((a, b) => a - b);
  }

  /** Ascending. */
  journals(names: readonly string[]): Place[] {
    return this.#matches(names, /^journal\.([1-9]\d*)\.([1-9]\d*)$/)
      .map(([, generation, number]) => ({ generation: Number(generation), number: Number(number) }))
      .sort(comparePlaces);
  }

  /** Drafts of generations before this one. */
  staleDrafts(names: readonly string[], generation: number): string[] {
    return this.#matches(names, /^draft\.(\d+)\.\w+$/)
      .filter(([, of]) => Number(of) < generation)
      .map(([rest]) => `${this.state}.${rest}`);
  }

  #matches(names: readonly string[], pattern: RegExp): RegExpExecArray[] {
    const prefix = `${this.state}.`;
    return names
      .filter((name) => name.startsWith(prefix))
      .map((name) => pattern.exec(name.slice(prefix.length)))
      .filter((match) => match !== null);
  }
}
