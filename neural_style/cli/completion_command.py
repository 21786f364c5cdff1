"""The command `completion`: print a script with which a shell completes commands, flags and values of `neural-style`.

Everything in a script follows from the options and commands when it is printed. A shell does not call Python later.
"""

from __future__ import annotations

import dataclasses
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from neural_style import vgg19_spec
from neural_style.bench import options as bench_options
from neural_style.bench.sections import SECTIONS
from neural_style.cli import finished_pictures, flag_files, main, recolor_command
from neural_style.cli.flag_names import RESUME, YES
from neural_style.config import presets
from neural_style.config.config import OPTIONS
from neural_style.config.defaults import STARTS, STYLE_ROTATIONS
from neural_style.config.fields import Option
from neural_style.errors import UsageError
from neural_style.networks import weights
from neural_style.web import options as web_options

PROGRAM = "neural-style"
"""Name of the program that is completed."""

_BLOCKS = tuple(f"block{number}" for number, _ in enumerate(vgg19_spec.BLOCKS, 1))

_VALUES: Mapping[str, Sequence[object]] = {
    "init": STARTS,
    "style_rotations": STYLE_ROTATIONS[1:],
    "bit_depth": (8, 16),
    "pixel_range": (1, 255),
    "scales": ("auto",),
    "style_layers": vgg19_spec.LAYERS,
    "content_layers": vgg19_spec.LAYERS,
    "style_layers_of": ("all", *vgg19_spec.LAYERS),
    "style_loss_layers": ("all", *_BLOCKS, *vgg19_spec.LAYERS),
    "weights": weights.CHOICES,
    "device": ("auto", "cpu", "gpu"),
    "memory": ("auto",),
}
"""Option without declared choices -> values that it takes, among others."""

_LONGEST_HELP = 70
"""About how many characters of a flag's help are shown beside it."""


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag as a shell completes it."""

    name: str
    """With dashes, also in front."""
    help: str
    words: tuple[str, ...] = ()
    """Values that are offered."""
    takes_files: bool = False
    is_list: bool = False
    is_switch: bool = False

    @property
    def kind(self) -> str:
        """What may follow the flag, as the scripts name it."""
        return "switch" if self.is_switch else "file" if self.takes_files else "text"


def run(arguments: Sequence[str]) -> Iterator[str]:
    """Run the command; yield lines of text.

    Args:
        arguments: the name of a shell in `SHELLS`.

    Raises:
        UsageError: the arguments are wrong.
    """
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        raise UsageError(
            f"completion: expected {', '.join(SHELLS[:-1])} or {SHELLS[-1]}, got {' '.join(arguments) or 'nothing'}; "
            f"for example: {PROGRAM} completion {SHELLS[0]}"
        )
    yield _SCRIPTS[arguments[0]]()


# --- what is completed ------------------------------------------------------------------------------------------------


def commands() -> tuple[str, ...]:
    """Return the commands that may come first."""
    return tuple(main._COMMANDS)


def words_of_commands() -> dict[str, tuple[str, ...]]:
    """Return the words so far, as a pattern of the shells -> words that may follow, besides flags."""
    return {
        "weights": ("fetch",),
        "weights fetch": tuple(weights.sources()),
        "bench*": tuple(SECTIONS),
        "completion": SHELLS,
    }


def flags_of_commands() -> dict[str, list[Flag]]:
    """Return command -> its flags, for the commands that do not take those of a run."""
    shared = [flag for name in finished_pictures.SHARED for flag in _flags_of_option(OPTIONS[name])]
    colors = [flag for name in recolor_command.FLAGS for flag in _flags_of_option(OPTIONS[name])]
    return {
        "weights": [],
        "bench": list(_flags_of_bench()),
        "completion": [],
        "recolor": [*colors, *shared],
        "blend": [Flag("--amount", "Share of the finished picture, 0 to 1."), *shared],
        "web": [flag for option in web_options.FLAGS.values() for flag in _flags_of_option(option)],
        "sweep": [Flag("--vary", "NAME=V1,V2,...: an option, and the values that it takes."), *flags_of_run()],
    }


def flags_of_run() -> list[Flag]:
    """Return the flags of a run, and those that any command line may have."""
    own = [flag for option in OPTIONS.values() for flag in _flags_of_option(option)]
    return [
        *own,
        Flag(_dashed(presets.FLAG), "Begin with the options of a preset.", (*presets.names(), "help")),
        Flag(_dashed(flag_files.FLAG), "Read flags from a file.", takes_files=True),
        Flag(_dashed(YES), "Let a flag file name outputs outside of the current folder.", is_switch=True),
        Flag(_dashed(RESUME), "Go on with the run in a folder.", takes_files=True),
        Flag("--help", "Show the help.", is_switch=True),
        Flag("--version", "Show the version.", is_switch=True),
    ]


def _flags_of_option(option: Option) -> Iterator[Flag]:
    text = _first_sentence(option.help)
    takes_files = option.is_path or option.name == "weights"
    words = tuple(map(str, option.choices or _VALUES.get(option.name, ())))
    for name in filter(None, (option.name, option.alias)):
        yield Flag(_dashed(name), text, words, takes_files, option.is_list, option.type is bool)
    if option.type is bool:
        yield Flag(_dashed(f"no_{option.name}"), f"Turn --{option.name} off.", is_switch=True)


def _flags_of_bench() -> Iterator[Flag]:
    of_run = {flag.name: flag for flag in flags_of_run()}
    for name, kind, text in bench_options.declared_flags():
        shared = of_run.get(_dashed(name))
        words = shared.words if shared else ()
        takes_files = kind == "string" and (not words or name == "weights")
        yield Flag(_dashed(name), _first_sentence(text), words, takes_files, is_switch=kind == "bool")


def _dashed(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _first_sentence(text: str) -> str:
    return textwrap.shorten(
        re.split(r"(?<=\.) (?=[A-Z-])|; repeat this", " ".join(text.split()))[0], _LONGEST_HELP, placeholder=" ..."
    )


# --- bash and zsh -----------------------------------------------------------------------------------------------------

_BASH = """\
# Completion of {program} for bash, of version {version}. Load it with: source <({program} completion bash)

_neural_style_flag() {{
    kind=none many= values=
    case $1 in
{cases}
    esac
}}

_neural_style() {{
    local IFS=$' \t\n'
    local current=${{COMP_WORDS[COMP_CWORD]}} index=$((COMP_CWORD - 1)) command= flag= kind=none many= values=
    COMPREPLY=()
    if ((COMP_CWORD > 1)); then
        case ${{COMP_WORDS[1]}} in
            {commands_alternatives}) command=${{COMP_WORDS[1]}} ;;
        esac
    fi
    if [[ $current == = || ${{COMP_WORDS[index]}} == = ]]; then  # bash takes --flag=value for three words
        if [[ $current == = ]]; then current=; else index=$((index - 1)); fi
        flag=${{COMP_WORDS[index]//_/-}}
        _neural_style_flag "$command" "$flag"
    elif [[ $current != -?* ]]; then
        while ((index > 0)) && [[ ${{COMP_WORDS[index]}} != -[-A-Za-z]* ]]; do index=$((index - 1)); done
        if ((index > 0)) && [[ ${{COMP_WORDS[index + 1]}} != = ]]; then
            flag=${{COMP_WORDS[index]//_/-}}
            _neural_style_flag "$command" "$flag"
            if [[ -z $many ]] && ((index < COMP_CWORD - 1)); then kind=none; fi
        fi
    fi
    case $kind in
        file) COMPREPLY=($(compgen -W "$values" -- "$current")) ;;  # if there are none, bash completes files
        text)
            COMPREPLY=($(compgen -W "$values" -- "$current"))
            compopt +o default 2>/dev/null
            ;;
        *)
            values=
            case "${{COMP_WORDS[*]:1:COMP_CWORD-1}}" in
{words}
            esac
            if ((COMP_CWORD == 1)); then values="{commands}"; fi
            if [[ $current == -* || -z $values ]]; then _neural_style_flags "$command"; fi
            COMPREPLY=($(compgen -W "$values" -- "${{current//_/-}}"))
            compopt +o default 2>/dev/null
            ;;
    esac
}}

_neural_style_flags() {{
    case $1 in
{flags}
    esac
}}

complete -o default -F _neural_style {program}
"""

_ZSH = """\
#compdef {program}
# Completion of {program} for zsh, of version {version}. Load it with: source <({program} completion zsh)

_neural_style_flag() {{
    kind=none many= values=
    case $1 in
{cases}
    esac
}}

_neural_style() {{
    local current=${{words[CURRENT]}} command= flag= kind=none many= values=
    local -a flags
    integer index=$((CURRENT - 1))
    if ((CURRENT > 2)); then
        case ${{words[2]}} in
            {commands_alternatives}) command=${{words[2]}} ;;
        esac
    fi
    if [[ $current == --*=* ]]; then
        flag=${{current%%=*}}
        compset -P '*='
        _neural_style_flag "$command" "${{flag//_/-}}"
    elif [[ $current != -?* ]]; then
        while ((index > 1)) && [[ ${{words[index]}} != -[-A-Za-z]* ]]; do index=$((index - 1)); done
        if ((index > 1)); then
            flag=${{words[index]//_/-}}
            _neural_style_flag "$command" "$flag"
            if [[ -z $many ]] && ((index < CURRENT - 1)); then kind=none; fi
        fi
    fi
    case $kind in
        file)
            if [[ -n $values ]]; then compadd -- ${{=values}}; fi
            _files
            ;;
        text) if [[ -n $values ]]; then compadd -- ${{=values}}; fi ;;
        *)
            values=
            case "${{(j: :)words[2,CURRENT-1]}}" in
{words}
            esac
            if ((CURRENT == 2)); then values="{commands}"; fi
            if [[ -n $values && $current != -* ]]; then
                compadd -- ${{=values}}
            else
                case $command in
{flags}
                esac
                _describe -o flag flags -M 'm:_=-'
            fi
            ;;
    esac
}}

if [[ ${{funcstack[1]}} == _neural_style ]]; then  # loaded from a folder in fpath, at the first completion
    _neural_style "$@"
else
    compdef _neural_style {program}
fi
"""


def _bash() -> str:
    flags = {command: f'values="{" ".join(flag.name for flag in of)}"' for command, of in _flags().items()}
    return _filled(_BASH, flags=_cases(flags, 8), words=_cases(_words(), 16))


def _zsh() -> str:
    flags = {
        command: f"flags=({' '.join(_quoted(f'{flag.name}:{_escaped(flag.help)}') for flag in of)})"
        for command, of in _flags().items()
    }
    return _filled(_ZSH, flags=_cases(flags, 20), words=_cases(_words(), 16))


def _filled(script: str, **parts: str) -> str:
    from neural_style import __version__

    cases = {command: "\n" + _cases_of_flags(flags, 12) + "\n        " for command, flags in _flags().items()}
    return script.format(
        program=PROGRAM,
        version=__version__,
        commands=" ".join(commands()),
        commands_alternatives=" | ".join(commands()),
        cases=_cases({command: f"case $2 in{body}esac" for command, body in cases.items()}, 8),
        **parts,
    )


def _flags() -> dict[str, list[Flag]]:
    """Return pattern of commands -> flags; the last pattern matches the command that paints, and all others."""
    return {**flags_of_commands(), "*": flags_of_run()}


def _words() -> dict[str, str]:
    bodies = {pattern: f'values="{" ".join(words)}"' for pattern, words in words_of_commands().items()}
    return {pattern.replace(" ", "\\ "): body for pattern, body in bodies.items()}


def _cases(bodies: Mapping[str, str], indent: int) -> str:
    return "\n".join(f"{' ' * indent}{pattern}) {body} ;;" for pattern, body in bodies.items())


def _cases_of_flags(flags: Sequence[Flag], indent: int) -> str:
    """Return the cases that say what may follow each flag; flags with the same answer share one."""
    alike: dict[str, list[str]] = {}
    for flag in flags:
        if not flag.is_switch:
            body = f"kind={flag.kind}{' many=1' * flag.is_list}{_values_of(flag)}"
            alike.setdefault(body, []).append(flag.name)
    return _cases({" | ".join(names): body for body, names in alike.items()}, indent) or " " * indent + "*) ;;"


def _values_of(flag: Flag) -> str:
    return f' values="{" ".join(flag.words)}"' if flag.words else ""


def _quoted(text: str) -> str:
    """Return a text in single quotes, as bash and zsh read it."""
    return "'" + text.replace("'", "'\\''") + "'"


def _escaped(text: str) -> str:
    """Return a description in which zsh's `_describe` finds no end of its name."""
    return text.replace("\\", "\\\\").replace(":", "\\:")


# --- fish -------------------------------------------------------------------------------------------------------------

_FISH = """\
# Completion of {program} for fish, of version {version}. Load it with: {program} completion fish | source

function __neural_style_in --description 'Whether the command is among these; run is the one that paints'
    set -l tokens (commandline -opc)
    set -l command run
    if set -q tokens[2]; and contains -- $tokens[2] {commands}
        set command $tokens[2]
    end
    contains -- $command $argv
end

function __neural_style_so_far --description 'Whether the words before the cursor match a pattern'
    set -l tokens (commandline -opc)
    set -e tokens[1]
    string match -q -- $argv[1] "$tokens"
end

function __neural_style_after --description 'Whether the last flag before the cursor is this'
    set -l tokens (commandline -opc)
    for token in $tokens[-1..1]
        if string match -qr -- '^--?[A-Za-z]' $token
            test (string replace -a _ - -- $token) = $argv[1]
            return
        end
    end
    return 1
end

complete -c {program} -f
complete -c {program} -n 'test (count (commandline -opc)) -eq 1' -a '{commands}'
{lines}
"""


def _fish() -> str:
    from neural_style import __version__

    own = flags_of_commands()
    others = ["run", *(command for command in commands() if command not in own)]
    lines = [
        f"complete -c {PROGRAM} -n '__neural_style_so_far \"{pattern}\"' -a '{' '.join(words)}'"
        for pattern, words in words_of_commands().items()
    ]
    for where, known in [*own.items(), (" ".join(others), flags_of_run())]:
        lines += [line for flag in known for line in _lines_of_fish(where, flag)]
    return _FISH.format(program=PROGRAM, version=__version__, commands=" ".join(commands()), lines="\n".join(lines))


def _lines_of_fish(where: str, flag: Flag) -> Iterator[str]:
    """Yield the lines that complete a flag, its value, and further values of a list."""
    inside = f"__neural_style_in {where}"
    value = "" if flag.is_switch else f" {'-r -F' if flag.takes_files else '-x'}{_words_of_fish(flag)}"
    text = _quoted_for_fish(flag.help)
    yield f"complete -c {PROGRAM} -n '{inside}' -l {flag.name.removeprefix('--')} -d {text}{value}"
    if flag.is_list and (flag.words or flag.takes_files):
        condition = f"{inside}; and __neural_style_after {flag.name}"
        yield f"complete -c {PROGRAM} -n '{condition}'{' -F' * flag.takes_files}{_words_of_fish(flag)}"


def _words_of_fish(flag: Flag) -> str:
    return f" -a '{' '.join(flag.words)}'" if flag.words else ""


def _quoted_for_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SCRIPTS = {"bash": _bash, "zsh": _zsh, "fish": _fish}

SHELLS = tuple(_SCRIPTS)
"""The shells that are known."""
