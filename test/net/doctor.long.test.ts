import { story } from './doctor.ts';

story('all');
