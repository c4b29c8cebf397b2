"""
What has to be one step, in Lua, each on one key: so it runs on a cluster as it is.

A client that got no answer sends again what was carried out already. So each script sees that
it runs for the second time, and answers as it did the first time.
"""

from __future__ import annotations

from hashlib import sha1

import attrs


def _digest(source: str) -> str:
    return sha1(source.encode(), usedforsecurity=False).hexdigest()


@attrs.frozen
class Script:
    """
    A script, and the name under which a server that has seen it knows it.

    Attributes:
        source: In Lua 5.1.
        sha1: Of the source, in hexadecimal.
    """

    source: str
    sha1: str = attrs.field(
        init=False, default=attrs.Factory(lambda self: _digest(self.source), takes_self=True)
    )


_NOW = """
local function now()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""

# A family is a hash. Each token that exists is a field: 'at:' or 'rt:' and the digest. Its value
# says when it expires, in milliseconds, and after a space when it was spent, in microseconds.
# 'last' is the token that was spent last. 'most' is how many fields there may be before those
# that have expired are looked for: twice as many as were left, so that it is cheap on average.
# Once the family is revoked, 'revoked' is the only field.
_PUT = (
    _NOW
    + """
local function forget_expired(family, time)
    local most = tonumber(redis.call('HGET', family, 'most') or 32)
    if redis.call('HLEN', family) < most then
        return
    end
    local fields = redis.call('HGETALL', family)
    for i = 1, #fields, 2 do
        local ends = string.find(fields[i], ':', 1, true) and string.match(fields[i + 1], '^%d+')
        if ends and tonumber(ends) <= time then
            redis.call('HDEL', family, fields[i])
        end
    end
    redis.call('HSET', family, 'most', math.max(32, 2 * redis.call('HLEN', family)))
end

-- From ARGV[first] on: field, milliseconds to live, when it was spent; for each token.
local function put(family, first)
    local time = now()
    forget_expired(family, time)
    local longest = redis.call('PTTL', family)
    for i = first, #ARGV, 3 do
        local left = tonumber(ARGV[i + 1])
        redis.call('HSETNX', family, ARGV[i], string.format('%.0f', time + left) .. ARGV[i + 2])
        longest = math.max(longest, left)
    end
    redis.call('PEXPIRE', family, string.format('%.0f', longest))
end
"""
)

SAVE = Script(
    _PUT
    + """
if redis.call('HEXISTS', KEYS[1], 'revoked') == 0 then
    put(KEYS[1], 1)
end
"""
)
"""Let tokens exist, unless their family was revoked."""

ROTATE = Script(
    _PUT
    + """
local family, spent, time, grace, new = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local state = redis.call('HGET', family, spent)
if not state then
    return 'missing'
end
local spent_at = string.match(state, ' (.+)$')
if not spent_at then
    redis.call('HSET', family, spent, state .. ' ' .. time, 'last', spent)
elseif redis.call('HEXISTS', family, new) == 1 then
    return 'rotated'  -- by this very call, which was sent twice
elseif grace == '0'  -- without grace no clock is asked: another process's may be behind
    or redis.call('HGET', family, 'last') ~= spent
    or tonumber(time) >= tonumber(spent_at) + tonumber(grace)
then
    return 'replayed'
end
put(family, 4)
return 'rotated'
"""
)
"""Mark a token as spent, and let its successors exist."""

REVOKE = Script(
    """
local left = redis.call('PTTL', KEYS[1])
if left > 0 then
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'revoked', 1)
    redis.call('PEXPIRE', KEYS[1], left)
end
"""
)
"""End a family. As long as it would have lived, nothing that comes late brings it back."""

REMEMBER = Script(
    """
local kept = redis.call('GET', KEYS[1])
if not kept or tonumber(kept) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
"""
)
"""Keep the later of two moments."""

ADD_IF_ABSENT = Script(
    """
local caller = redis.call('GET', KEYS[1])
if not caller then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1
end
return caller == ARGV[1] and 1 or 0
"""
)
"""Remember who came first, and say whether it is the caller."""

TAKE = Script(
    """
local kept = redis.call('GET', KEYS[1])
if kept and string.sub(kept, 1, 1) == '{' then
    redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
    return 1
end
return kept == ARGV[1] and 1 or 0
"""
)
"""Put who took it in the place of what is taken, and say whether it is the caller."""

# What an `Attempts` has is a hash, in microseconds; Lua's numbers are whole up to 2^53. 'calls'
# names the last four calls that counted: who is among them is sent for the second time.
_CALLS = """
local function is_known(calls, caller)
    return calls and string.find(calls, caller, 1, true)
end

local function with(calls, caller)
    return string.sub(caller .. ',' .. (calls or ''), 1, 4 * (#caller + 1))
end

local function spell(number)
    return string.format('%.0f', number)
end
"""

BEGIN_ATTEMPT = Script(
    _CALLS
    + """
local caller, now, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local window, longest, slack = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local kept = redis.call('HMGET', KEYS[1], 'failures', 'allowed_at', 'forgotten_at', 'calls')
local failures, forgotten_at = tonumber(kept[1] or 0), tonumber(kept[3] or now)
if is_known(kept[4], caller) then
    return 1
elseif now >= forgotten_at then
    failures, forgotten_at = 0, now + window
elseif kept[2] ~= '' and now < tonumber(kept[2]) then
    return 0
end
failures = failures + 1
local forgotten_before, allowed_at = forgotten_at, ''
if failures >= most then
    -- What is longer than the longest wait is not computed.
    local windows = math.min(2 ^ math.min(failures - most, 45), math.floor(longest / window) + 1)
    local wait = math.min(window * windows, longest)
    allowed_at, forgotten_at = spell(now + wait), now + 2 * wait
end
redis.call('HSET', KEYS[1], 'failures', spell(failures), 'allowed_at', allowed_at,
    'forgotten_at', spell(forgotten_at), 'forgotten_before', spell(forgotten_before),
    'calls', with(kept[4], caller))
local left = math.max(forgotten_at, forgotten_before) - now
redis.call('PEXPIRE', KEYS[1], spell(math.ceil(left / 1000) + slack))
return 1
"""
)
"""Do what `AttemptLimit.count` does."""

WITHDRAW_ATTEMPT = Script(
    _CALLS
    + """
local kept = redis.call('HMGET', KEYS[1], 'failures', 'forgotten_before', 'calls')
if not kept[1] or is_known(kept[3], ARGV[1]) then
    return
elseif kept[1] == '1' then
    redis.call('DEL', KEYS[1])
else
    redis.call('HSET', KEYS[1], 'failures', spell(kept[1] - 1), 'allowed_at', '',
        'forgotten_at', kept[2], 'calls', with(kept[3], ARGV[1]))
end
"""
)
"""Do what `Attempts.withdraw` does."""

# A client or user is a hash under its identifier: 'client' or 'user' is what it is, 'by' names
# the call that added it. A username is one too: 'sub' says whose it is, 'by' names the call that
# claimed it, 'at' says when.
ADD = Script(
    _NOW
    + """
local by = redis.call('HGET', KEYS[1], 'by')
if by then
    return by == ARGV[1] and 'done' or 'taken'
elseif now() >= tonumber(ARGV[2]) then
    return 'late'
end
redis.call('HSET', KEYS[1], 'by', ARGV[1], ARGV[3], ARGV[4])
return 'done'
"""
)
"""Add a client or a user under an identifier that is neither's yet."""

EXCHANGE = Script(
    _NOW
    + """
local kept = redis.call('HGET', KEYS[1], ARGV[2])
if kept == ARGV[4] then
    return 'done'
elseif kept ~= ARGV[3] then
    return 'changed'
elseif now() >= tonumber(ARGV[1]) then
    return 'late'
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
return 'done'
"""
)
"""Put a client or a user in the place of the one that was read, unless it has changed since."""

CLAIM = Script(
    _NOW
    + """
local time = now()
local by = redis.call('HGET', KEYS[1], 'by') or ''
if by == ARGV[2] and by ~= ARGV[1] then
    redis.call('HSET', KEYS[1], 'by', ARGV[1], 'sub', ARGV[3], 'at', string.format('%.0f', time))
end
local kept = redis.call('HMGET', KEYS[1], 'by', 'sub', 'at')
kept[4] = string.format('%.0f', time - kept[3])
return kept
"""
)
"""Claim a username, if it is free or the claim to it is known as void; say who has it."""

RELEASE = Script(
    """
if redis.call('HGET', KEYS[1], 'by') == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
"""
)
"""Give a username up that one call has claimed, unless it was claimed anew."""
