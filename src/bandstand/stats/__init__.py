"""Pure statistics over mergeable moments and sums, of use in a notebook too; they know nothing of the rest.

Each module is imported by its own name (`from bandstand.stats import means`): loading scipy here would cost a
second to whoever needs only the moments.
"""
