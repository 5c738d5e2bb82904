"""The generators there are."""

from bandstand.candidates import Generator
from bandstand.candidates.collaborative import Collaborative
from bandstand.candidates.content import Content
from bandstand.candidates.discovery import Discovery
from bandstand.candidates.trending import Popular, Trending

GENERATORS: tuple[type[Generator], ...] = (Collaborative, Content, Trending, Popular, Discovery)
