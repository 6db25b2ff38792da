"""Mistakes about whose record is whose, and about what was forgotten."""

from tests.mutants.mutant import service

FILE = "tests/services/test_rivals.py"

RIVALS = (
    service(
        "a record that a confirmed one waits for is a candidate",
        "deciding",
        "    certain = rivals.sure(view.found.equal, view.ours, view.rivals)\n",
        "    certain = list(view.found.equal)\n",
        "It is that one's.",
        "test_what_did_not_happen_is_told_from_what_was_confirmed_at_the_same_time",
        FILE,
    ),
    service(
        "a confirmed one takes what is listed first",
        "confirming",
        "    certain = rivals.sure(fits, view.ours, view.rivals)\n",
        "    certain = fits\n",
        "Its own record may be listed later than that of the next one.",
        "test_a_later_record_is_not_taken_for_the_earlier_confirmed_one",
        FILE,
    ),
    service(
        "a person is asked while a rival is looked for",
        "deciding",
        "rival.state in HAPPENED and rival.is_looking",
        "rival.state is None",
        "What that one turns out to be leaves only one reading.",
        "test_what_did_not_happen_is_told_from_what_was_confirmed_at_the_same_time",
        FILE,
    ),
    service(
        "a rival's record contradicts a refusal",
        "confirming",
        "    if len(view.found.equal) > len(view.rivals):\n",
        "    if view.found.equal:\n",
        "It belongs to the one that was not refused.",
        "test_a_second_look_does_not_take_a_rivals_record_for_a_contradiction",
        FILE,
    ),
    service(
        "nothing contradicts a refusal where there is a rival",
        "confirming",
        "    if len(view.found.equal) > len(view.rivals):\n",
        "    if view.found.equal and not view.rivals:\n",
        "A rival explains one record, not two.",
        "test_a_second_look_still_finds_what_no_rival_explains",
        FILE,
    ),
    service(
        "a repay-all takes any amount",
        "preflight",
        "            _must_be_alone(instruction, amount)\n",
        "",
        "Two of one amount cannot be told apart.",
        "test_a_repay_all_does_not_send_the_amount_of_one_that_may_have_happened",
        FILE,
    ),
    service(
        "the journal does not know of recoveries",
        "recovery",
        '    journal.append(Entry("", now, "", _newest_event(), epoch=site.recovery_epoch))\n',
        "",
        "Another copy put back forgets them.",
        "test_another_copy_put_back_does_not_undo_a_recovery",
        FILE,
    ),
    service(
        "a torn line of the journal counts",
        "journal",
        "        if os.write(descriptor, content) != len(content):\n",
        "        if os.write(descriptor, content) == 0:\n",
        "Nobody could read it after a restore.",
        "test_a_line_that_the_disk_takes_only_in_part_counts_as_not_written",
        "tests/services/test_journal.py",
    ),
)
