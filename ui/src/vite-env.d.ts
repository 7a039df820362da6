/// <reference types="vite/client" />

declare module 'virtual:ads-theme.css';
