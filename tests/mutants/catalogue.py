"""The mistakes as data."""

from tests.mutants.mutant import MATCHING, SENDING, Mutant, exchange, service
from tests.mutants.rivals import RIVALS

LOST_ANSWER = "test_a_lost_answer_is_unknown_and_then_found"
LOST_REQUEST = "test_a_lost_request_is_unknown_until_absence_is_proven"
TOO_EARLY = "test_absence_proves_nothing_before_expiry_processing_and_visibility_are_over"

MUTANTS = (
    # --- The call ---------------------------------------------------------------------------------
    exchange(
        "retry once", "money",
        "            answer = _exchange(transport, request, on_step)\n",
        "            answer = _exchange(transport, request, on_step)\n"
        "            if isinstance(answer, Failure):\n"
        "                answer = _exchange(transport, request, on_step)\n",
        "The first request may have been executed.",
        f"{SENDING}::{LOST_ANSWER}",
    ),
    exchange(
        "a time-out is a refusal", "money",
        "        return OutcomeUnknown(answer.reason, http_status=answer.http_status)",
        "        return NotSent(answer.reason)",
        "No answer does not mean no loan.",
        f"{SENDING}::{LOST_ANSWER}",
    ),
    exchange(
        "every socket error is not sent", "money",
        "if not answer.was_connected:", "if answer.http_status is None:",
        "Once connected, bytes may have left.",
        f"{SENDING}::{LOST_ANSWER}",
    ),
    exchange(
        "a 5xx is a refusal", "verdicts",
        "    doubt = _doubt(answer)\n",
        "    if status >= 500:\n"
        '        raise Rejected("server error", code=0, http_status=status)\n'
        "    doubt = _doubt(answer)\n",
        "A gateway's page says nothing of what happened behind it.",
        f"{SENDING}::{LOST_REQUEST}",
    ),
    exchange(
        "1000 without an id is accepted", "verdicts",
        "    if answer_id is None:\n",
        "    answer_id = answer_id or '0'\n    if answer_id is None:\n",
        "Only an answer with an id is documented to be a success.",
        f"{SENDING}::{LOST_ANSWER}",
    ),
    exchange(
        "a success with any status is accepted", "verdicts",
        "    if status != _OK:\n", "    if status >= 600:\n",
        "A success under the status of a failure contradicts itself.",
        "tests/bitmart/test_verdicts.py::test_a_success_with_another_status_is_unknown",
    ),
    exchange(
        "a refusal with any status is believed", "codes",
        "    return known.http_status == http_status", "    return True",
        "Only code and status together are documented.",
        "tests/bitmart/test_codes.py::test_a_code_refuses_only_with_its_own_status",
    ),
    exchange(
        "a withdrawn code is believed again", "codes",
        " or code in withdrawn:", ":",
        "It was once said although the loan was made.",
        f"{SENDING}::test_a_refusal_that_was_executed_is_an_incident_and_its_code_is_withdrawn",
    ),
    exchange(
        "a refusal that carries an id is believed", "verdicts",
        " and not _has_id(envelope):", ":",
        "It contradicts itself.",
        "tests/bitmart/test_verdicts.py::test_a_refusal_that_carries_an_id_contradicts_itself",
    ),
    exchange(
        "an answer without an end is believed", "verdicts",
        "    if not answer.is_framed:\n", "    if answer.is_framed is None:\n",
        "It may have been cut.",
        "tests/bitmart/test_verdicts.py::test_bytes_that_cannot_be_trusted_are_unknown",
    ),
    exchange(
        "redirects are followed", "transport",
        "        answered_ns = time.monotonic_ns()\n",
        "        if response.is_redirect:\n"
        '            request.url = response.headers["location"]\n'
        "            call.connects = 0\n"
        "            response = self._adapter.send(request, stream=True, verify=True)\n"
        "        answered_ns = time.monotonic_ns()\n",
        "It sends the order a second time, and the key to a stranger.",
        "tests/bitmart/test_money_unknown.py"
        "::test_a_redirect_elsewhere_is_unknown_and_nobody_else_hears_of_it",
    ),
    exchange(
        "the body is written anew after signing", "money",
        "headers=headers, data=order.body)",
        "headers=headers, data=json.dumps(json.loads(order.body)))",
        "Other bytes than those that were signed and hashed.",
        "tests/bitmart/test_money.py::test_the_bytes_that_arrive_are_the_bytes_that_were_signed",
    ),
    # --- Before the first byte --------------------------------------------------------------------
    service(
        "no snapshot of known records", "preflight",
        "    return tuple(record.record_id for record in evidence.records if record.at >= since)",
        "    return ()",
        "An equal loan of a moment before would be taken for ours.",
        "test_an_equal_loan_of_a_moment_before_is_not_taken_for_ours",
    ),
    service(
        "the epoch is not compared", "sending",
        "Q(epoch=epoch, expires_at__gt=now)", "Q(expires_at__gt=now)",
        "A worker that overslept its lease could still send.",
        "test_an_old_claim_cannot_send_after_a_new_one", SENDING,
    ),
    service(
        "the deadline is not in the fence", "sending",
        "Q(epoch=epoch, expires_at__gt=now)", "Q(epoch=epoch)",
        "Nothing may be sent long after a person confirmed it.",
        "test_what_waited_too_long_since_its_claim_is_not_sent",
    ),
    service(
        "the stop switch is not in the statement", "sending",
        " & rights.not_stopped(instruction.kind)", "",
        "A stop that comes after the claim would be overlooked.",
        "test_stop_switch_and_lost_rights_hold_inside_the_sending_statement", SENDING,
    ),
    service(
        "rights are not looked at again", "sending",
        "    fence &= rights.money_accounts(instruction.requested_by)\n", "",
        "They may be gone since the claim.",
        "test_a_share_that_ends_after_the_claim_holds_the_money_back",
    ),
    service(
        "a person switched off still sends", "sending",
        "    fence &= Q(requested_by__in=_active_people())\n", "",
        "Their rights ended with the account.",
        "test_a_person_switched_off_after_the_claim_holds_the_money_back",
    ),
    service(
        "SENDING is not durable", "sending",
        "now=now, durable=True,", "now=now,",
        "Inside another transaction it would not be on disk before the first byte.",
        "test_nothing_is_sent_from_inside_a_transaction",
    ),
    service(
        "the time of signing is ours, not the exchange's", "sending",
        "    venue_now = cleared.venue_now(line.ticks())\n", "    venue_now = line.clock()\n",
        "Expiry and window are judged by the exchange's clock.",
        "test_the_signature_carries_the_exchanges_time",
    ),
    service(
        "a second instruction beside an unknown one shares its lane", "instructions",
        "    return max(rival.lane for rival in rivals) + 1", "    return 0",
        "One open instruction a slot.",
        "test_beside_an_unknown_one_only_another_amount_in_addition", SENDING,
    ),
    service(
        "an equal amount beside an unknown one", "instructions",
        "        if amount in (rival.amount, rival.amount_confirmed):\n",
        "        if not amount:\n",
        "The two could never be told apart.",
        "test_beside_an_unknown_one_only_another_amount_in_addition", SENDING,
    ),
    service(
        "more than can be borrowed is sent", "preflight",
        "    if amount > most:\n", "    if amount is None:\n",
        "What cannot be borrowed is stopped before it is sent.",
        "test_above_borrowable_stops_before_sending", SENDING,
    ),
    # --- What became of it ------------------------------------------------------------------------
    service(
        "no horizon", "deciding",
        "    elif _is_over(instruction, view):\n", "    else:\n",
        "The request may still be on its way.", TOO_EARLY,
    ),
    service(
        "horizon without the expiry", "bounds",
        "        return self.expiry + self.processing + self.visibility\n",
        "        return self.visibility\n",
        "It may still arrive in time.", TOO_EARLY,
    ),
    service(
        "horizon without the processing bound", "bounds",
        "        return self.expiry + self.processing + self.visibility\n",
        "        return self.expiry + self.visibility\n",
        "What was accepted may still be carried out.", TOO_EARLY,
    ),
    service(
        "horizon without the visibility bound", "bounds",
        "        return self.expiry + self.processing + self.visibility\n",
        "        return self.expiry + self.processing\n",
        "What was carried out may not be listed yet.", TOO_EARLY,
    ),
    service(
        "one absence is proof enough", "deciding",
        "    first = instruction.absent_since\n",
        "    first = instruction.absent_since or view.now - view.bounds.between_proofs\n",
        "One list may be a stale copy.",
        "test_absence_needs_two_complete_lists_apart", SENDING,
    ),
    service(
        "records that nothing explains are ignored", "matching",
        "    return Verdict.OTHER_ONLY if found.unexplained else Verdict.NONE",
        "    return Verdict.NONE",
        "It may be ours under another amount.",
        "test_a_record_that_nothing_explains_is_left_to_a_person",
    ),
    service(
        "a record that reads zero is ignored", "deciding",
        "    if view.found.emptied:\n", "    if view.found is None:\n",
        "It may be ours, repaid already.",
        "test_a_record_that_turned_to_zero_unseen_is_left_to_a_person", SENDING,
    ),
    service(
        "an emptied record loses the amount it was seen with", "sightings",
        "    if not emptied or instruction.kind != Kind.BORROW:\n",
        "    if emptied or not emptied:\n",
        "It was seen before it was repaid.",
        "test_a_record_that_was_seen_before_it_turned_to_zero_is_still_found", SENDING,
    ),
    service(
        "bound records are candidates again", "sightings",
        " | frozenset(taken)", "",
        "One record explains one instruction.",
        "test_what_did_not_happen_is_told_from_what_was_confirmed_at_the_same_time",
        "tests/services/test_rivals.py",
    ),
    service(
        "the window starts at the signing itself", "matching",
        "    return earliest.replace(microsecond=0) - SLACK\n",
        "    return earliest\n",
        "Records may be on whole seconds, and clocks differ.",
        "test_a_record_on_whole_seconds_is_inside_the_window", MATCHING,
    ),
    service(
        "unreadable rows count as a complete list", "matching",
        "    if listing.refused or not consistent:\n", "    if not consistent:\n",
        "The unreadable row may be ours.",
        "test_an_unreadable_row_or_a_changing_one_proves_nothing", MATCHING,
    ),
    service(
        "a full list counts as a complete one", "matching",
        "    if listing.is_short:\n", "    if listing.rows:\n",
        "Ours may be beyond its end.",
        "test_a_short_list_is_whole_and_a_full_one_only_if_it_reaches_back_in_order", MATCHING,
    ),
    service(
        "amounts that are repaid count as equal", "matching",
        "if record.amount == sought.amount)", "if record.amount <= sought.amount)",
        "Another amount is another loan.",
        "test_a_record_that_nothing_explains_is_left_to_a_person",
    ),
    service(
        "exclusive use is never withdrawn", "deciding",
        "    if moved and exclusive and view.found.unexplained:\n", "    if moved is None:\n",
        "Somebody else uses the account, whatever its owner declared.",
        "test_a_strangers_record_ends_the_exclusive_use",
    ),
    service(
        "unconfirmed assumptions decide alone", "deciding",
        "    if not view.is_probed:\n", "    if view.is_probed is None:\n",
        "What is assumed of the exchange was never shown to hold.",
        "test_without_confirmed_assumptions_a_person_decides", SENDING,
    ),
    service(
        "no second look at a refusal", "sending",
        "explanation=error.detail, look_at=horizon, looks=0,",
        "explanation=error.detail, look_at=None, looks=0,",
        "A refusal that lied would never be noticed.",
        "test_every_refusal_is_looked_at_again_after_the_horizon",
    ),
    service(
        "a contradiction is not noted", "confirming",
        'ended["contradicted_at"] = view.now\n            log.error("instruction %s: %s',
        'log.error("instruction %s: %s',
        "The code that lied would be believed again.",
        "test_a_refusal_that_was_executed_is_an_incident_and_its_code_is_withdrawn", SENDING,
    ),
    # --- When something was lost ------------------------------------------------------------------
    service(
        "the reaper queues SENDING again", "sweeping",
        "to=State.UNKNOWN, now=now, note=sentence,", "to=State.QUEUED, now=now, note=sentence,",
        "It may have been sent.",
        "test_a_worker_that_dies_while_sending_never_leads_to_a_second_send", SENDING,
    ),
    service(
        "the journal is not written", "sending",
        "        line.journal.append(entry)\n", "        str(entry)\n",
        "A database that was put back would send again.",
        "test_a_forgotten_send_is_found_in_the_journal", SENDING,
    ),
    service(
        "the journal does not know the amount", "recovery",
        '{"amount": entry.amount}', "{}",
        "A repay-all sends another amount than was placed.",
        "test_the_journal_knows_the_amount_that_a_repay_all_sent",
    ),
    service(
        "a recovery moves the time of signing", "recovery",
        "    was_seen_signed = State.SENDING in states\n",
        "    was_seen_signed = False\n",
        "Its record would lie before the window.",
        "test_a_recovery_keeps_the_signing_time_of_what_was_being_sent",
    ),
    service(
        "a forgotten send is looked for from the recovery on", "sightings",
        "    return not instruction.body_sha256\n", "    return False\n",
        "It was sent before.",
        "test_a_send_forgotten_with_its_journal_is_found_since_its_placing",
    ),
    service(
        "money does not wait after a recovery", "sending",
        "        if still_recovering(", "        if not still_recovering(",
        "What was forgotten may still take effect.",
        "test_after_a_recovery_open_ones_are_unknown_and_money_waits", SENDING,
    ),
    service(
        "a recovery leaves the queue as it was", "recovery",
        "    moved = _doubt(BEFORE_SENDING, now=now, why=why) + _doubt(",
        "    moved = _doubt(",
        "What waits may have been sent.",
        "test_after_a_recovery_open_ones_are_unknown_and_money_waits", SENDING,
    ),
    Mutant(
        "the tick does not read the journal", "loans/tasks/money.py",
        "    recovery.heed_journal(venues.journal(), now=now)\n", "",
        "It would call expired what was sent.",
        ("tests/tasks/test_money_tasks.py::test_the_tick_reads_the_journal_before_it_expires",),
    ),
    # --- The books --------------------------------------------------------------------------------
    service(
        "bounds are asked for as they are", "windows",
        "self.ask(lo - pad, hi + pad, currency)", "self.ask(lo, hi, currency)",
        "The exchange may exclude its bounds.",
        "test_no_record_is_lost_unless_its_second_is_named", "tests/services/test_windows.py",
    ),
    service(
        "halves are believed unseen", "windows",
        "            self.doubt(VANISHED)\n", "            return parts\n",
        "A full page is a part of the truth.",
        "test_rows_of_a_full_page_must_be_in_its_halves", "tests/services/test_windows.py",
    ),
    service(
        "the watermark is now", "records",
        "        return whole_second(at - self.bound) - SECOND\n",
        "        return whole_second(at) - SECOND\n",
        "What happened just now may not be listed yet.",
        "test_a_stream_without_records_is_proven_empty_by_two_calls",
        "tests/services/test_records.py",
    ),
    service(
        "windows are believed without a control", "records",
        "works = not page.rows or self._is_heeded(page.rows)", "works = True",
        "An empty page of another year would be proof.",
        "test_bounds_read_in_another_unit_are_noticed_and_windows_not_trusted",
        "tests/services/test_records.py",
    ),
    service(
        "an audit does not miss what is gone", "rereading",
        "        if missing:\n            self._stream.doubt(MISSING)\n", "",
        "Pages that leave out records prove nothing.",
        "test_a_record_that_is_not_listed_any_more_takes_the_trust_until_all_is_clean",
        "tests/services/test_rereading.py",
    ),
    service(
        "huge figures are added up without their first parts", "spans",
        "    if any(row[beyond] for row in rows):\n", "    if False:\n",
        "A total would lack a multiple of a hundred thousand billion.",
        "test_totals_keep_every_digit_where_another_part_is_needed",
        "tests/services/test_rollups.py",
    ),
    *RIVALS,
)  # fmt: skip
