#!/usr/bin/env python3
"""Turns ccmd_cost's lines and callgrind's dumps into a table (see
tools/instructions.sh).

  instructions.py LINES DUMPS [--json=FILE] [--profile=NAME]

The targets are those of docs/performance.md; exits with 1 where one is missed.
"""

import argparse
import collections
import json
import re
import sys

# Instructions for one command alone in its execbuffer, and for one of 64.
TARGETS = {
    'NOP': (400, 200),
    'IOCTL_SIMPLE GET_PARAM': (800, 400),
    'GEM_SET_IOVA': (450, 225),
    'WAIT_FENCE': (700, 350),
    'GEM_UPLOAD 64': (500, 250),
    'GEM_SUBMIT 1': (700, 350),
    'GEM_SUBMIT 16': (1300, 650),
    'GEM_SUBMIT 128': (6000, None),
    'GEM_SUBMIT 512': (22000, None),
}


# A command is popped before it is "the popped descriptor" of the targets.
POP = 'nacre::virtio::Virtqueue::Pop'


def short_name(name):
    """Without arguments and template arguments."""
    name = re.sub(r"'\d+$", '', name).replace('operator()', 'operator-call')
    while True:
        shorter = re.sub(r'<[^<>]*>|\([^()]*\)', '', name)
        if shorter == name:
            return name.replace(' const', '')[:100]
        name = shorter


def read_dumps(path):
    """For each dump, in order: instructions by function, and those of the pops
    with all that they call."""
    dumps = []
    names = {}
    function = None
    callee = None
    after_calls = False
    with open(path, encoding='utf-8', errors='replace') as lines:
        for line in lines:
            if line.startswith('part:'):
                dumps.append((collections.Counter(), collections.Counter()))
            elif line.startswith('fn='):
                match = re.match(r'fn=\((\d+)\)(?: (.*))?', line)
                if match.group(2):
                    names[match.group(1)] = short_name(match.group(2))
                function = names[match.group(1)]
            elif line.startswith('cfn='):
                match = re.match(r'cfn=\((\d+)\)(?: (.*))?', line)
                if match.group(2):
                    names[match.group(1)] = short_name(match.group(2))
                callee = names[match.group(1)]
            elif line.startswith('calls='):
                after_calls = True
            elif line[0] in '0123456789+-*':
                cost = int(line.split()[1])
                if not after_calls:
                    dumps[-1][0][function] += cost
                elif callee == POP:
                    dumps[-1][1][callee] += cost
                after_calls = False
    return dumps


def measure(lines, dumps):
    """One row for each name and form of ccmd_cost's lines: the last one's."""
    rows = {}
    for i, line in enumerate(lines):
        name, form, commands, allocations = line.strip().split('|')
        (once, pops_once), (twice, pops_twice) = (dumps[4 * i + 1],
                                                  dumps[4 * i + 3])
        commands = int(commands)
        pops = (pops_twice[POP] - pops_once[POP]) / commands
        functions = {}
        for function in set(once) | set(twice):
            cost = (twice[function] - once[function]) / commands
            if cost >= 0.05:
                functions[function] = cost
        rows[name, form] = {
            'name': name,
            'form': form,
            # From the popped request on, and what the pop costs.
            'instructions':
                (sum(twice.values()) - sum(once.values())) / commands - pops,
            'pop': pops,
            'allocations': int(allocations) / commands,
            'functions': functions,
        }
    return list(rows.values())


def print_table(rows):
    """The table; returns whether every target is met."""
    by_name = collections.OrderedDict()
    for row in rows:
        by_name.setdefault(row['name'], {})[row['form']] = row
    met = True

    def cell(row, target):
        nonlocal met
        if row is None:
            return f'{"-":>8} {"":>7}'
        missed = target is not None and row['instructions'] > target
        met = met and not missed
        bound = '' if target is None else f'<={target}'
        mark = '!' if missed else ' '
        return f'{row["instructions"]:>8.0f}{mark}{bound:>7}'

    print(f'{"instructions for one command":40}{"alone":>8} {"":>7}'
          f'{"of 64":>8} {"":>7}{"pop":>6}{"allocations":>12}')
    for name, forms in by_name.items():
        alone, batch = TARGETS.get(name, (None, None))
        allocations = max(row['allocations'] for row in forms.values())
        print(f'{name:40}{cell(forms["alone"], alone)}'
              f'{cell(forms.get("batch"), batch)}'
              f'{forms["alone"]["pop"]:>6.0f}{allocations:>12.2f}')
    return met


def main():
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument('lines')
    parser.add_argument('dumps')
    parser.add_argument('--json')
    parser.add_argument('--profile', action='append', default=[])
    arguments = parser.parse_args()
    with open(arguments.lines, encoding='utf-8') as lines:
        rows = measure(lines.readlines(), read_dumps(arguments.dumps))
    met = print_table(rows)
    for row in rows:
        if row['name'] not in arguments.profile:
            continue
        print(f'\n{row["name"]}, {row["form"]}: where it goes')
        for function, cost in sorted(row['functions'].items(),
                                     key=lambda item: -item[1])[:40]:
            print(f'{cost:>10.1f}  {function}')
    if arguments.json:
        with open(arguments.json, 'w', encoding='utf-8') as out:
            json.dump(rows, out, indent=1)
            out.write('\n')
    sys.exit(0 if met else 1)


if __name__ == '__main__':
    main()
