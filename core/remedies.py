"""Where a remedy is found on each platform's own screens, in the words of those screens; the catalogue's words hold elsewhere."""

from collections.abc import Mapping

from core.models import Channel

_G, _L, _M = Channel.GOOGLE, Channel.LINKEDIN, Channel.META

REMEDIES: Mapping[tuple[str, Channel], str] = {
    ("ad_account_access_lost", _G): "In Google Ads an admin opens *Admin → Access and security* and gives the person standard access or more, then retry; or somebody who has access takes over.",
    ("ad_account_access_lost", _L): "In Campaign Manager an account manager opens *Account settings → Manage access* and gives the person a role above viewer, then retry; or somebody who has access takes over.",
    ("ad_account_access_lost", _M): "In Meta's *Business settings → Ad accounts* somebody with full control gives the person *Manage campaigns*, then retry; or somebody who has access takes over.",
    ("ad_account_disabled", _G): "Google Ads says why at the top of the account (suspended, cancelled, or billing); settle it there, then retry.",
    ("ad_account_disabled", _L): "In Campaign Manager look at the account's status and at *Billing center*; settle what is open, then retry.",
    ("ad_account_disabled", _M): "Open *Account quality* and *Billing and payments* of the ad account on Meta, settle what is asked there, then retry.",
    ("channel_terms_not_accepted", _G): "In Google Ads open *Tools → Shared library → Audience manager* and accept the customer data terms, then retry.",
    ("channel_terms_not_accepted", _L): "In Campaign Manager open *Plan → Audiences* and accept the agreement for uploaded lists, then retry.",
    ("channel_terms_not_accepted", _M): "The person whose connection runs the sync opens *Audiences* in Meta Ads Manager and accepts the Custom Audience terms for this ad account, then retry.",
    ("channel_permission_missing", _G): "Reconnect and leave every box ticked on Google's page, the ones about ads data as well.",
    ("channel_permission_missing", _M): "Reconnect and choose the ad account's business on Meta's page; leave *manage ads* ticked.",
    ("audience_deleted", _G): "Retry creates the list anew and fills it; campaigns must be pointed to the new one under *Audiences, keywords and content*.",
    ("audience_deleted", _L): "Retry creates the audience anew and fills it; LinkedIn takes up to two days to match. Campaigns must be pointed to the new one.",
    ("audience_deleted", _M): "Retry creates the custom audience anew and fills it; ad sets must be pointed to the new one.",
    ("audience_expiring", _G): "Members leave the list when its membership duration ends; a full resync sends everybody again.",
    ("audience_expiring", _L): "LinkedIn archives an audience that no campaign used for 30 days; use it in one, or delete the sync.",
    ("audience_expiring", _M): "Meta deletes an audience that nothing used for two years; use it in an ad set, or delete the sync.",
    ("channel_not_allowlisted", _G): "Google allows Customer Match to accounts with a good history of policy and payment; *Tools → Policy manager* shows where this one stands.",
    ("channel_not_allowlisted", _L): "Ask your LinkedIn account representative to allow uploaded audiences for this account.",
    ("channel_not_allowlisted", _M): "Open *Account quality* of the ad account on Meta: it says why custom audiences from lists are not allowed.",
}  # fmt: skip
