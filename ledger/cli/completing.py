"""The command that prints what a shell needs to complete commands, options and names.

The scripts ask the program, through click's protocol. The one for bash is ours: bash cuts what is typed at ``:``, ``=``
and ``@`` too, so that click's own one does not know the word of a name such as ``training::load::output``.
"""

import click
from click.shell_completion import BashComplete, get_completion_class

from ledger.cli.session import ExampleCommand


class _Bash(BashComplete):
    """Asks with whole words, and answers with what bash puts in place of the last part of one.

    The value of an option may be a word of its own or follow its ``=``; in a quote that the user has opened only what
    would end it, or mean something else in it, is escaped.
    """

    source_template = r"""
%(complete_func)s() {
    local left=$COMP_LINE gap index kind value
    local -a words=()
    for ((index = 0; index <= COMP_CWORD; index++)); do
        gap=${left%%%%[![:space:]]*}
        if [[ $index -eq 0 || -n $gap ]]; then
            words+=("${COMP_WORDS[index]}")
        else
            words[-1]+=${COMP_WORDS[index]}
        fi
        left=${left#"$gap"}
        left=${left#"${COMP_WORDS[index]}"}
    done
    local word=${words[-1]}
    [[ $word != --*=* ]] || word=${word#--*=}
    local kept=${word%%"$2"}
    kept=${kept#[\"\']}
    while IFS=, read -r kind value; do
        case $kind in
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
            plain)
                value=${value#"$kept"}
                case $word in
                    \'*) value=${value//\'/"'\\''"} ;;
                    \"*)
                        value=${value//\\/'\\'}
                        value=${value//\"/'\"'}
                        value=${value//\$/'\$'}
                        value=${value//\`/'\`'} ;;
                    *) printf -v value %%q "$value" ;;
                esac
                COMPREPLY+=("$value") ;;
        esac
    done < <(env COMP_WORDS="$(printf '%%s\n' "${words[@]}")" COMP_CWORD=$((${#words[@]} - 1)) \
        %(complete_var)s=bash_complete "$1")
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


@click.command(cls=ExampleCommand, example="ledger completion bash")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script for shell completion. It completes commands, options, artifact names and versions.

    In bash, put `eval "$(ledger completion bash)"` into ~/.bashrc. In zsh, put the same with zsh into ~/.zshrc, below
    compinit. In fish, put `ledger completion fish | source` into config.fish.
    """
    kind = _Bash if shell == "bash" else get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "ledger", "_LEDGER_COMPLETE").source())
